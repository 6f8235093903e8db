"""The compared methods on a list of observations, compiled once for each shape."""

import functools
import time
from collections import defaultdict

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore import Observation, pnp_hvae
from jaxrestore.metrics import psnr, ssim
from jaxrestore.solvers import total_variation, variational


def solve_tv(observations, weight, flags) -> list:
    """Total variation of every image."""
    solver = functools.partial(_tv, max_steps=flags.tv_steps)
    return _by_shape(solver, observations, jnp.float32(weight), flags.batch)


def solve_pnp(prior, observations, chosen, flags) -> list:
    """PnP-HVAE of every image.

    `chosen`: "temperature" and, on the 0 to 255 scale, "decoder_std" and
    "encoder_noise" (either may be missing or None).
    """
    settings: dict[str, jax.Array | None] = {}
    settings["temperature"] = jnp.asarray(chosen["temperature"], jnp.float32)
    for name in ("decoder_std", "encoder_noise"):
        value = chosen.get(name)
        settings[name] = None if value is None else jnp.float32(value / 255)
    solver = functools.partial(_pnp, max_steps=flags.steps, tolerance=flags.tolerance)
    return _by_shape(solver, observations, (prior, settings), flags.batch)


def solve_alr(critic, observations, weight, flags) -> list:
    """Adam on data term plus critic of every image."""
    solver = functools.partial(_alr, max_steps=flags.alr_steps)
    extra = critic, jnp.float32(weight)
    return _by_shape(solver, observations, extra, flags.batch)


def observe(images, operators, noise, seed) -> list[Observation]:
    """Degraded images; the noise (of 255) depends on the seed and the image's place."""
    observations = []
    for i, (clean, operator) in enumerate(zip(images, operators, strict=True)):
        place = i * 10_000 + round(noise * 100)
        key = jax.random.fold_in(jax.random.key(seed), place)
        y = operator(jnp.asarray(clean))
        y = y + noise / 255 * jax.random.normal(key, y.shape)
        observations.append(Observation(y, operator, noise / 255))
    return observations


def best_of(grid, solve, cases, label) -> dict:
    """The point of the grid with the best mean PSNR.

    `solve(observations, point)` gives images, `cases` are pairs of observations and
    clean images. Each score is printed as it comes.
    """
    means = []
    for chosen in tqdm(grid, desc=f"tune {label}", disable=None):
        values = [
            scores(x, clean)["psnr"]
            for observations, images in cases
            for x, clean in zip(solve(observations, chosen), images, strict=True)
        ]
        means.append(float(np.mean(np.nan_to_num(values, nan=-np.inf))))
        tqdm.write(f"val, {label}, {chosen}: {means[-1]:.3f} dB")
    return grid[int(np.argmax(means))]


def timed(solver, *arguments):
    """The result and the seconds, compilation included for the first of a shape."""
    start = time.perf_counter()
    return solver(*arguments), time.perf_counter() - start


@jax.jit
def _scores(image, clean):
    return {"psnr": psnr(image, clean), "ssim": ssim(image, clean)}


def scores(image, clean) -> dict[str, float]:
    """PSNR in dB and SSIM."""
    values = _scores(jnp.asarray(image), jnp.asarray(clean))
    return {name: float(value) for name, value in values.items()}


def _by_shape(solver, observations, extra, batch) -> list:
    """Solve observations of equal shape together, `batch` at a time; keep the order."""
    places, results = defaultdict(list), [None] * len(observations)
    for i, observation in enumerate(observations):
        leaves, structure = jax.tree.flatten(observation)
        places[structure, tuple(np.shape(leaf) for leaf in leaves)].append(i)
    for same in places.values():
        stack = jax.tree.map(lambda *x: jnp.stack(x), *(observations[i] for i in same))
        solved = jax.device_get(solver(stack, extra, batch))
        for place, i in enumerate(same):
            results[i] = jax.tree.map(lambda leaf, p=place: leaf[p], solved)
    return results


@functools.partial(jax.jit, static_argnums=2, static_argnames="max_steps")
def _tv(observations, weight, batch, *, max_steps):
    def one(observation):
        return total_variation(
            observation, weight=weight, max_steps=max_steps, history=False
        )

    return jax.lax.map(one, observations, batch_size=batch)


@functools.partial(jax.jit, static_argnums=2, static_argnames="max_steps")
def _alr(observations, extra, batch, *, max_steps):
    critic, weight = extra

    def one(observation):
        return variational(
            critic, observation, weight=weight, max_steps=max_steps, history=False
        )

    return jax.lax.map(one, observations, batch_size=batch)


@functools.partial(
    jax.jit, static_argnums=2, static_argnames=("max_steps", "tolerance")
)
def _pnp(observations, extra, batch, *, max_steps, tolerance):
    prior, settings = extra

    def one(observation):
        result = pnp_hvae(
            prior,
            observation,
            max_steps=max_steps,
            tolerance=tolerance,
            history=False,
            **settings,
        )
        return result.__class__(**{**vars(result), "latents": ()})

    return jax.lax.map(one, observations, batch_size=batch)
