"""Made-up observations, and one way to run any method on many of them and score it."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.metrics import load_lpips, psnr, ssim
from jaxrestore.operators import Operator
from jaxrestore.solvers import Method, Restoration, Stopping, restore

_WINDOW = 11  # pixels, of SSIM
_SCORES = ("psnr", "ssim", "lpips")


def solve_all(
    method: Method,
    observations: Sequence[Observation],
    batch: int = 1,
    stopping: Stopping | None = None,
    **limits: Any,
) -> tuple[list[Restoration], float]:
    """Restore every observation; those of equal shape in one program, `batch` at once.

    Args:
        method: of all of them.
        observations: of any sizes.
        batch: images side by side.
        stopping, **limits: stopping, max_steps and history, as for `restore`.

    Returns:
        Restorations of NumPy arrays, without latents, in the order of the observations;
        seconds for all of them, compilation not included.

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
        given = method.validate(seen[0]), stack, stopping
        # JAX keeps the program: this compiles once for each structure and shape.
        program = _restored.lower(*given, batch=batch, **limits).compile()
        begin = time.perf_counter()
        found = jax.block_until_ready(program(*given))
        seconds += time.perf_counter() - begin
        found = jax.device_get(found)
        for i, place in enumerate(same):
            runs[place] = jax.tree.map(lambda leaf, i=i: leaf[i], found)
    return [runs[place] for place in range(len(observations))], seconds


def memory(
    method: Method,
    observation: Observation,
    stopping: Stopping | None = None,
    **limits: Any,
) -> float:
    """Megabytes of temporaries that the restoration of one image needs.

    By the compiler's account, so the same in every run on one kind of device; NaN where
    it gives none. Arguments as for `solve_all`.
    """
    stack = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], observation)
    stopping = (stopping or method.stopping).validate()
    given = method.validate(observation), stack, stopping
    program = _restored.lower(*given, batch=1, **limits).compile()
    account = program.memory_analysis()
    return np.nan if account is None else account.temp_size_in_bytes / 1e6


@partial(jax.jit, static_argnames=("batch", "max_steps", "history"))
def _restored(method, observations, stopping, *, batch, max_steps, history=False):
    limits = {"max_steps": max_steps, "history": history}

    def one(observation):
        result = restore(method, observation, stopping=stopping, **limits)
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


def scorer(weights: str = "") -> Callable[[Any, Any], dict[str, float]]:
    """(image, clean) -> PSNR in dB, SSIM (NaN below 11x11 pixels), LPIPS with weights.

    Args:
        weights: what `python -m jaxrestore.convert --format=lpips` wrote, or "".

    Raises:
        InputError: not such a file.
    """
    lpips = load_lpips(weights) if weights else None

    @jax.jit
    def measured(image, clean):
        values = {"psnr": psnr(image, clean), "ssim": jnp.nan}
        if min(clean.shape[:2]) >= _WINDOW:
            values["ssim"] = ssim(image, clean)
        return values | ({"lpips": lpips(image, clean)} if lpips else {})

    def score(image, clean):
        values = measured(jnp.asarray(image), jnp.asarray(clean))
        return {name: float(values[name]) for name in _SCORES if name in values}

    return score


scores = scorer()


def outcome(run: Any) -> dict[str, int]:
    """How a restoration ended."""
    return {"steps": int(run.steps), "status": int(run.status)}


def score_all(
    results,
    images: Mapping[str, Any],
    score=scores,
    facts=outcome,
    column: str = "method",
) -> list[dict]:
    """One row for every method and image.

    Args:
        results: method -> (images in the order of `images`, seconds for all of them,
            restorations or ()).
        images: clean ones by name.
        score: (image, clean) -> named numbers.
        facts: restoration -> further columns.
        column: what the methods are called.
    """
    rows = []
    for method, (restored, seconds, runs) in results.items():
        for i, (name, clean) in enumerate(images.items()):
            row = {"image": name, column: method, **score(restored[i], clean)}
            row |= facts(runs[i]) if len(runs) else {}
            rows.append(row | {"seconds": seconds / len(images)})
    return rows
