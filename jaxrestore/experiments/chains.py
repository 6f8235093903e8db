"""Draws of one posterior and what they say of their error, remembered on disk."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.data.files import atomic_path, make_folder
from jaxrestore.errors import InputError
from jaxrestore.evaluation.harness import scores
from jaxrestore.experiments.settings import pnp_settings
from jaxrestore.likelihoods import Observation
from jaxrestore.metrics import calibration, mixing
from jaxrestore.priors.weights import resolve, sha256
from jaxrestore.report.summary import array_hash, fingerprint, versions
from jaxrestore.solvers import Gibbs, PnPHVAE, Status, Stopping, restore, sample

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95)
SHOWN = 6

Found = dict[str, np.ndarray]


class Diverged(InputError):
    """Draws that are not finite."""


def drawing(config: Any, report, prior, kind: str):
    """(point, observation, clean, key) -> what `measured` finds, known from before."""
    tuned = SimpleNamespace(prior=config.prior, schedule="preset")
    settings = pnp_settings(tuned, report, kind, config.noise)
    tolerance = settings.pop("tolerance", 1e-3)
    names = "chains", "burn_in", "thinning"
    sampling = {name: getattr(config, name) for name in names}
    sampling["n_samples"] = config.draws
    folder = make_folder(report.folder / "calibration", "--out")
    weights = sha256(resolve(config.prior)[0])

    def first(seen):
        """PnP-HVAE's result."""
        method, stopping = PnPHVAE(prior, **settings), Stopping(tolerance=tolerance)
        found = restore(method, seen, stopping=stopping, max_steps=config.steps)
        return {"image": np.asarray(found.image), "mean": np.asarray(found.mean)}

    def draw(point, seen, clean, key):
        before = versions(), weights, settings, tolerance, config.steps
        pnp = remembered(folder, before, seen, lambda: first(seen))
        tau, gamma = point
        method = Gibbs(
            prior,
            temperature=tau,
            decoder_std=gamma,
            encoder_noise=config.encoder_noise,
            blocks=config.blocks,
            stride=config.stride,
            adapt=config.burn_in,
        )
        arrays = seen, clean, jax.random.key_data(key)
        known = before, method.settings(), sampling, LEVELS, SHOWN
        found = remembered(
            folder,
            known,
            arrays,
            lambda: measured(method, pnp["image"], seen, clean, key, **sampling),
        )
        return found | {f"pnp_{name}": image for name, image in pnp.items()}

    return draw


def remembered(
    folder: Path, settings: Any, arrays: Any, compute: Callable[[], Found]
) -> Found:
    """What `compute` returns, from a file where it was computed before.

    Args:
        folder: of the files, which are named by what went in.
        settings: JSON-like; with `arrays` all that the result depends on.
        arrays: a pytree.
        compute: arrays by name.
    """
    contents = array_hash(*jax.tree.leaves(arrays))
    path = folder / f"{fingerprint([settings, contents])[:32]}.npz"
    if not path.is_file():
        found: Any = compute()
        with atomic_path(path) as temporary:
            np.savez(temporary, **found)
    with np.load(path) as file:
        return dict(file)


def measured(
    method: Gibbs,
    start: Any,
    seen: Observation,
    clean: Any,
    key: jax.Array,
    **sampling: Any,
) -> Found:
    """Draws of one posterior, their error bounds, and how the chains mixed.

    Args:
        method: that draws.
        start: (H, W, C), where the chains start.
        seen: the observation.
        clean: (H, W, C).
        key: random key.
        **sampling: what `sample` takes.
    """
    begin = time.perf_counter()
    arguments: Any = {"start": jnp.asarray(start), "traces": True, **sampling}
    drawn = sample(method, seen, key=key, **arguments)
    samples, mean = np.asarray(drawn.samples), np.asarray(drawn.mean)
    seconds = time.perf_counter() - begin
    if int(drawn.status) != Status.DRAWN:
        raise Diverged(
            f"--temperature: chains diverged, finite draws {drawn.healthy.tolist()} of"
            f" {len(drawn.healthy)} chains; lower it, or give --decoder_std"
        )
    pixels = np.asarray(drawn.traces["pixels"])
    moving = pixels.std((0, 1)) > 1e-6
    reference = np.random.default_rng(0).uniform(0, 1, clean.shape)
    found = {
        "samples": samples[:SHOWN],
        "mean": mean,
        "std": np.asarray(drawn.std),
        "errors": np.abs(clean - mean),
        "bounds": np.quantile(np.abs(samples - mean), LEVELS, axis=0),
        "psnr_draw": scores(samples[-1], clean)["psnr"],
        "psnr_average": scores(samples.mean(0), clean)["psnr"],
        "tarp": calibration.tarp(samples[None], clean[None], reference[None])[0],
        "seconds": seconds,
        "r_hat": np.median(mixing.r_hat(pixels)[moving]),
        "ess": np.median(mixing.effective_size(pixels)[moving]),
    }
    if method.blocks:
        found["accepted"] = np.mean(drawn.traces["accepted"], (0, 1))
        found["stride"] = np.exp(drawn.chains.states.log_stride).mean(0)
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def factor(found: list[Found], number: int) -> float | None:
    """The conformal factor of a level, None where the images are too few."""
    errors = [one["errors"] for one in found]
    bounds = [one["bounds"][number] for one in found]
    try:
        return calibration.conformal_factor(errors, bounds, LEVELS[number])
    except InputError:
        return None


def row(one: Found, clean: Any, factors: list[float | None]) -> dict[str, Any]:
    """Scores and coverage of one image, a line of the CSV."""
    names = "psnr_draw", "psnr_average", "r_hat", "ess", "seconds"
    row = scores(one["mean"], clean) | {name: float(one[name]) for name in names}
    row |= {
        "psnr_pnp": scores(one["pnp_mean"], clean)["psnr"],
        "psnr_pnp_image": scores(one["pnp_image"], clean)["psnr"],
        "deviation": 255 * float(one["std"].mean()),
        "ess_per_second": row["ess"] / row["seconds"],
    }
    for name, bound, scale in zip(LEVELS, one["bounds"], factors, strict=True):
        row[f"covered_{name:g}"] = float(np.mean(one["errors"] <= bound))
        if scale is not None:
            inside = one["errors"] <= scale * bound
            row[f"recalibrated_{name:g}"] = float(np.mean(inside))
            row[f"factor_{name:g}"] = scale
    for name in ("accepted", "stride"):
        if name in one:
            row[name] = float(one[name].mean())
            row |= {f"{name}_{i}": float(v) for i, v in enumerate(one[name], 1)}
    return row
