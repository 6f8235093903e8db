"""The compared methods on a list of images, compiled once for each shape."""

import functools
import time
from collections import defaultdict

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import Observation, pnp_hvae
from jaxrestore.metrics import psnr, ssim
from jaxrestore.operators import Blur
from jaxrestore.solvers import total_variation


def solve_tv(ys, kernel, noise, weight, flags) -> list:
    """Total variation of every image."""
    solver = functools.partial(_tv, max_steps=flags.tv_steps)
    return by_shape(solver, ys, kernel, noise, weight, flags.batch)


def solve_pnp(prior, ys, kernel, noise, chosen, flags) -> list:
    """PnP-HVAE of every image; settings as in `default_settings`."""
    settings: dict[str, jax.Array | None] = {}
    settings["temperature"] = jnp.asarray(chosen["temperature"], jnp.float32)
    for name in ("decoder_std", "encoder_noise"):
        value = chosen.get(name)
        settings[name] = None if value is None else jnp.float32(value / 255)
    solver = functools.partial(_pnp, max_steps=flags.steps, tolerance=flags.tolerance)
    return by_shape(solver, ys, kernel, noise, (prior, settings), flags.batch)


def by_shape(solver, ys, kernel, noise, extra, batch) -> list:
    """Solve images of equal shape together, `batch` at a time; keep the order."""
    places, results = defaultdict(list), [None] * len(ys)
    for i, y in enumerate(ys):
        places[y.shape].append(i)
    for same in places.values():
        stack = jnp.stack([ys[i] for i in same])
        solved = jax.device_get(
            solver(stack, jnp.asarray(kernel), jnp.float32(noise / 255), extra, batch)
        )
        for place, i in enumerate(same):
            results[i] = jax.tree.map(lambda leaf, p=place: leaf[p], solved)
    return results


@functools.partial(jax.jit, static_argnums=4, static_argnames="max_steps")
def _tv(ys, kernel, noise_std, weight, batch, *, max_steps):
    def one(y):
        observation = Observation(y, Blur(kernel), noise_std)
        return total_variation(
            observation, weight=weight, max_steps=max_steps, history=False
        )

    return jax.lax.map(one, ys, batch_size=batch)


@functools.partial(
    jax.jit, static_argnums=4, static_argnames=("max_steps", "tolerance")
)
def _pnp(ys, kernel, noise_std, extra, batch, *, max_steps, tolerance):
    prior, settings = extra

    def one(y):
        result = pnp_hvae(
            prior,
            Observation(y, Blur(kernel), noise_std),
            max_steps=max_steps,
            tolerance=tolerance,
            history=False,
            **settings,
        )
        return result.__class__(**{**vars(result), "latents": ()})

    return jax.lax.map(one, ys, batch_size=batch)


def timed(solver, *arguments):
    """The result and the seconds, compilation included for the first of a shape."""
    start = time.perf_counter()
    return solver(*arguments), time.perf_counter() - start


@jax.jit
def _scores(image, clean):
    return {"psnr": psnr(image, clean), "ssim": ssim(image, clean)}


def scores(image, clean) -> dict[str, float]:
    """PSNR in dB and SSIM."""
    return {name: float(value) for name, value in _scores(image, clean).items()}


def observe_all(images, kernel, noise) -> list[np.ndarray]:
    """Blurred, noisy images. The noise depends on the image's place and the kernel."""
    code = int(np.round(np.abs(kernel).max() * 1e6))
    ys = []
    for i, clean in enumerate(images.values()):
        key = jax.random.fold_in(jax.random.key(code), i * 10_000 + round(noise * 100))
        draw = jax.random.normal(key, clean.shape)
        blurred = Blur(jnp.asarray(kernel))(jnp.asarray(clean))
        ys.append(np.asarray(blurred + noise / 255 * draw))
    return ys
