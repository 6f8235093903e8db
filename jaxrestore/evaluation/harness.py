"""Made-up observations, and one way to run any method on many of them."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Operator
from jaxrestore.solvers import Method, Restoration, Stopping, restore


class Solved(NamedTuple):
    """Restorations in the order of the observations, and the time they took.

    Attributes:
        runs: of NumPy arrays, without latents.
        seconds: for all of them, compilation not included.
    """

    runs: list[Restoration]
    seconds: float


def solve_all(
    method: Method,
    observations: Sequence[Observation],
    *,
    batch: int = 1,
    stopping: Stopping | None = None,
    max_steps: int | None = None,
    history: bool = False,
) -> Solved:
    """Restore every observation; those of equal shape in one program, `batch` at once.

    Args:
        method: of all of them.
        observations: of any sizes.
        batch: images side by side.
        stopping, max_steps, history: as for `restore`.

    Raises:
        InputError: as `restore`.
    """
    places, runs, seconds = defaultdict(list), {}, 0.0
    for place, observation in enumerate(observations):
        leaves, structure = jax.tree.flatten(observation)
        places[structure, tuple(map(np.shape, leaves))].append(place)
    stopping = (stopping or method.stopping).validate()
    for same in places.values():
        seen = [observations[place] for place in same]
        stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *seen)
        # JAX keeps the program: this compiles once for each structure and shape.
        program = _restored.lower(
            method.validate(seen[0]),
            stack,
            stopping,
            batch=batch,
            max_steps=max_steps,
            history=history,
        ).compile()
        begin = time.perf_counter()
        found = program(method.validate(seen[0]), stack, stopping)
        found = jax.block_until_ready(found)
        seconds += time.perf_counter() - begin
        found = jax.device_get(found)
        for i, place in enumerate(same):
            runs[place] = jax.tree.map(lambda leaf, i=i: leaf[i], found)
    return Solved([runs[place] for place in range(len(observations))], seconds)


@partial(jax.jit, static_argnames=("batch", "max_steps", "history"))
def _restored(method, observations, stopping, *, batch, max_steps, history):
    def one(observation):
        result = restore(
            method,
            observation,
            stopping=stopping,
            max_steps=max_steps,
            history=history,
        )
        return replace(result, latents=())

    return jax.lax.map(one, observations, batch_size=batch if batch > 1 else None)


def observe(
    key: jax.Array,
    images: Iterable[Any],
    operators: Iterable[Operator],
    noise_std: float,
) -> list[Observation]:
    """Degrade clean images (H, W, C), each with a key of its own, by its place.

    Args:
        key: random key of all of them.
        images: clean, in [0, 1].
        operators: one for each.
        noise_std: in [0, 1] units.
    """
    noise, seen = GaussianNoise(jnp.float32(noise_std)), []
    for i, (clean, operator) in enumerate(zip(images, operators, strict=True)):
        y = _measured(jax.random.fold_in(key, i), jnp.asarray(clean), operator, noise)
        seen.append(Observation(y, operator, noise))
    return seen


@jax.jit
def _measured(key, clean, operator, noise):
    return Observation.simulate(key, clean, operator, noise).y


def generator(key: jax.Array) -> np.random.Generator:
    """NumPy's random numbers from a key, for masks and crops."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


@jax.jit
def starting_image(observation: Observation) -> jax.Array:
    """What solvers start from: y, a smooth fill or bicubic enlargement."""
    return observation.initial_image()
