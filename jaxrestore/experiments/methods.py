"""The compared methods on a list of observations, compiled once for each shape."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.likelihoods import Observation
from jaxrestore.solvers import (
    joint_map,
    pnp_hvae,
    selection,
    total_variation,
    variational,
)


class Solved(NamedTuple):
    """Restorations in the order of the observations, and the time they took.

    Attributes:
        runs: a `Restoration` of NumPy arrays for each observation.
        seconds: for all of them, compilation not included.
    """

    runs: list[Any]
    seconds: float


def solve_tv(observations, weight, flags) -> Solved:
    """Total variation of every image; uses flags.tv_steps and flags.batch."""
    static = {"max_steps": flags.tv_steps}
    return _by_shape(_tv, static, observations, jnp.float32(weight), flags.batch)


def solve_pnp(prior, observations, chosen, flags, history: bool = False) -> Solved:
    """PnP-HVAE of every image; uses flags.steps, flags.tolerance and flags.batch.

    `chosen`: "temperature" and, on the 0 to 255 scale, "decoder_std" and
    "encoder_noise" (either may be missing or None).
    """
    static = {
        "max_steps": flags.steps,
        "tolerance": flags.tolerance,
        "history": history,
    }
    extra = prior, knobs(chosen)
    return _by_shape(_pnp, static, observations, extra, flags.batch)


def solve_adam(prior, observations, chosen, rate, flags, history=False) -> Solved:
    """Adam on J1 of every image, at a learning rate; uses flags.adam_steps.

    `chosen` as for `solve_pnp`; stops at flags.adam_tolerance.
    """
    static = {
        "max_steps": flags.adam_steps,
        "tolerance": flags.adam_tolerance,
        "history": history,
    }
    extra = prior, knobs(chosen) | {"learning_rate": jnp.float32(rate)}
    return _by_shape(_adam, static, observations, extra, flags.batch)


def solve_latent(solver, prior, observations, static, batch: int) -> Solved:
    """Every image by a solver of a prior and an observation, with static settings."""
    static = static | {"solver": solver}
    return _by_shape(_plain, static, observations, prior, batch)


def solve_attempts(prior, observation, settings, static):
    """PnP-HVAE at every temperature that "auto" chooses from.

    Args:
        prior: a hierarchical prior.
        observation: of one image.
        settings: traced, as `knobs` returns them; the temperature is ignored.
        static: further settings of `pnp_hvae`.

    Returns:
        Decoder means (K, H, W, C), and (K,) scores by criterion.
    """
    return _attempts(prior, observation, settings, tuple(sorted(static.items())))


@functools.partial(jax.jit, static_argnums=3)
def _attempts(prior, observation, settings, static):
    def solve(observed, tau):
        chosen = settings | {"temperature": tau}
        return pnp_hvae(prior, observed, history=False, **chosen, **dict(static))

    results, found = selection.attempts(solve, observation, selection.CANDIDATES)
    return results.mean, found


def solve_alr(critic, observations, weight, flags) -> Solved:
    """Adam on data term plus critic of every image."""
    static = {"max_steps": flags.alr_steps}
    extra = critic, jnp.float32(weight)
    return _by_shape(_alr, static, observations, extra, flags.batch)


def knobs(chosen: Mapping[str, Any]) -> dict[str, jax.Array | None]:
    """Settings written on the 0 to 255 scale, as the solvers take them."""
    result: dict[str, jax.Array | None] = {}
    result["temperature"] = jnp.asarray(chosen["temperature"], jnp.float32)
    for name in ("decoder_std", "encoder_noise"):
        value = chosen.get(name)
        result[name] = None if value is None else jnp.float32(value / 255)
    return result


def observe(images, operators, noise, seed) -> list[Observation]:
    """Degraded images; the noise (of 255) depends on the seed and the image's place."""
    observations = []
    for i, (clean, operator) in enumerate(zip(images, operators, strict=True)):
        place = i * 10_000 + round(noise * 100)
        key = jax.random.fold_in(jax.random.key(seed), place)
        y = _degraded(operator, jnp.asarray(clean), noise / 255, key)
        observations.append(Observation(y, operator, noise / 255))
    return observations


@jax.jit
def _degraded(operator, clean, noise_std, key):
    y = operator(clean)
    return y + noise_std * jax.random.normal(key, y.shape)


@jax.jit
def starting_image(observation: Observation) -> jax.Array:
    """What the solvers start from: y, a smooth fill or bicubic enlargement."""
    return observation.initial_image()


_PROGRAMS: dict[Any, Callable] = {}


def _by_shape(solver, static, observations, extra, batch) -> Solved:
    """Solve observations of equal shape together, `batch` at a time; keep the order."""
    places, runs, seconds = defaultdict(list), [None] * len(observations), 0.0
    for i, observation in enumerate(observations):
        leaves, structure = jax.tree.flatten(observation)
        places[structure, tuple(np.shape(leaf) for leaf in leaves)].append(i)
    for same in places.values():
        stack = jax.tree.map(lambda *x: jnp.stack(x), *(observations[i] for i in same))
        program = _compiled(solver, static | {"batch": batch}, stack, extra)
        start = time.perf_counter()
        solved = jax.block_until_ready(program(stack, extra))
        seconds += time.perf_counter() - start
        solved = jax.device_get(solved)
        for place, i in enumerate(same):
            runs[i] = jax.tree.map(lambda leaf, p=place: leaf[p], solved)
    return Solved(runs, seconds)


def _compiled(solver, static, *arguments) -> Callable:
    """The solver's program for arguments of these shapes, compiled once."""
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((np.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
    key = solver, tuple(sorted(static.items())), structure, shapes
    if key not in _PROGRAMS:
        _PROGRAMS[key] = (
            jax.jit(functools.partial(solver, **static)).lower(*arguments).compile()
        )
    return _PROGRAMS[key]


def _tv(observations, weight, *, batch, max_steps):
    def one(observation):
        return total_variation(
            observation, weight=weight, max_steps=max_steps, history=False
        )

    return jax.lax.map(one, observations, batch_size=batch if batch > 1 else None)


def _alr(observations, extra, *, batch, max_steps):
    critic, weight = extra

    def one(observation):
        return variational(
            critic, observation, weight=weight, max_steps=max_steps, history=False
        )

    return jax.lax.map(one, observations, batch_size=batch if batch > 1 else None)


def _plain(observations, prior, *, batch, solver, **static):
    return _latent_solver(solver, observations, (prior, {}), batch, static)


def _pnp(observations, extra, *, batch, **static):
    return _latent_solver(pnp_hvae, observations, extra, batch, static)


def _adam(observations, extra, *, batch, **static):
    return _latent_solver(joint_map, observations, extra, batch, static)


def _latent_solver(solver, observations, extra, batch, static):
    prior, settings = extra

    def one(observation):
        result = solver(prior, observation, **settings, **static)
        return replace(result, latents=())

    return jax.lax.map(one, observations, batch_size=batch if batch > 1 else None)
