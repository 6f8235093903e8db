"""Posterior draws with a hierarchical VAE: is what they say of their error true?

  python -m jaxrestore.experiments calibration --images=DIR --val=DIR --out=DIR

Tasks, noise 3/255 unless --noise says otherwise:

    square     a square of a ninth of the area is missing, in the middle
    missing    60 % of the pixels are missing, other ones for each image
    x4         Gaussian blur of 2 pixels, every fourth pixel kept
    blur       Gaussian blur of 1.6 pixels

`Gibbs` draws --draws images of each posterior, over --chains chains that start from
PnP-HVAE's image. Scores of their mean and of one draw, beside PnP-HVAE's with the
settings tuned for the prior; the share of true errors |mean - original| that lie below
the quantile of |draw - mean| of each level, as it is and after conformal recalibration:
the quantiles times a factor found on the images of --val (others than those of
--images), which promises that share in expectation. TARP is the p-value of whole images
being covered as they should, meaningful from some 50 images on. ESS is the median
effective number of draws over followed pixels, of all chains.
"""

import time
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.evaluation.harness import scores
from jaxrestore.evaluation.inputs import prior_and_images, validation_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import of, table
from jaxrestore.experiments.comparison import masks, missing, random_problem
from jaxrestore.experiments.faces import smaller, square
from jaxrestore.experiments.settings import (
    Level,
    Validated,
    configured,
    level,
    open_tau,
    pnp_settings,
    some,
    told,
)
from jaxrestore.metrics import calibration, mixing
from jaxrestore.operators import Blur, kernels
from jaxrestore.report.sheets import sheet
from jaxrestore.settings import count, number, setting
from jaxrestore.solvers import Gibbs, PnPHVAE, Status, Stopping, restore, sample

QUICK = {
    "max_images": 2,
    "val_images": 9,
    "crop": 16,
    "val_crop": 16,
    "tasks": ("missing",),
    "draws": 8,
    "chains": 2,
    "burn_in": 2,
    "steps": 2,
}
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95)
TABLED = (0.5, 0.9, 0.95)
SHOWN = 6


def _blur(shape, rng=None) -> Blur:
    size = min(11, (min(shape[:2]) - 1) // 2 * 2 + 1)
    return Blur(jnp.asarray(kernels.gaussian(size, 1.6)))


TASKS = {
    "square": ("hole", square),
    "missing": ("mask", masks(missing, 0.6)),
    "x4": ("downsample", smaller),
    "blur": ("blur", _blur),
}


@configured(prior="vdvae-faces64", max_images=10, val_images=10, val_crop=0)
class Config(Validated):
    tasks: tuple = setting(tuple(TASKS), some(*TASKS), "which")
    noise: float = setting(Level(3 / 255), level(), "of 255")
    temperature: float | None = setting(1.0, open_tau, "of Gibbs; none: the preset's")
    decoder_std: Any = setting(
        None, level(none=True), "of Gibbs, of 255; none: predicted"
    )
    encoder_noise: Any = setting(None, told, "told, of 255")
    blocks: int | None = setting(None, count(none=True), "of Gibbs: corrected; none")
    stride: float = setting(1.0, number(0, 1, above=True), "of corrected moves")
    draws: int = setting(100, count(8), "of each posterior")
    chains: int = setting(4, count(), "side by side")
    burn_in: int = setting(20, count(0), "first steps of each chain")
    thinning: int = setting(1, count(), "steps from draw to draw")
    steps: int = setting(50, count(), "of PnP-HVAE at most")


def run(config: Config, report) -> None:
    """Draw on both sets, recalibrate on one, score the other."""
    prior, images = prior_and_images(config)
    val, key = validation_images(config, prior), jax.random.key(config.seed)
    rows, reliability, pictures = [], [], {}
    for i, task in enumerate(tqdm(config.tasks, "tasks", disable=None)):
        kind, make = TASKS[task]
        problem = random_problem(task, kind, config.noise, task, make)
        own = jax.random.fold_in(key, i)
        point = _point(config, report, prior, kind), config.steps
        method = _method(config, prior)
        found = {}
        for name, clean in (("val", val), ("test", images)):
            one = jax.random.fold_in(own, len(found))
            seen = problem.degrade(clean, one)[task]
            found[name] = [
                _measured(method, point, y, x, config, jax.random.fold_in(one, j))
                for j, (y, x) in enumerate(zip(seen, clean.values(), strict=True))
            ]
        factors = [_factor(found["val"], k) for k in range(len(LEVELS))]
        for name, x, one in zip(images, images.values(), found["test"], strict=True):
            rows.append({"task": task, "image": name} | _row(one, x, factors))
        reliability += _curves(task, rows)
        shares = [one["tarp"] for one in found["test"]]
        ranks = np.rint(config.draws * np.array(shares)).astype(int)
        p_value = calibration.uniformity(ranks, config.draws, 4)
        report.note(f"{task}: TARP of {len(shares)} images, p = {float(p_value):.3f}")
        pictures[task] = _shown(found["test"][0], next(iter(images.values())))
        report.rows(rows)
    _draw(report, reliability, pictures)
    columns = {
        "PSNR mean": of("psnr", ".2f"),
        "of a draw": of("psnr_draw", ".2f"),
        "PnP-HVAE": of("psnr_pnp", ".2f"),
        "SSIM": of("ssim", ".3f"),
        **{f"below {q:.0%}": of(f"covered_{q:g}", ".1%") for q in TABLED},
        **{f"recalibrated {q:.0%}": of(f"recalibrated_{q:g}", ".1%") for q in TABLED},
        "factor 90%": of("factor_0.9", ".2f"),
        "deviation of 255": of("deviation", ".2f"),
        "R-hat": of("r_hat", ".2f"),
        "ESS": of("ess", ".0f"),
        "ESS/s": of("ess_per_second", ".1f"),
        "seconds": of("seconds", ".1f"),
    }
    if config.blocks:
        columns["accepted"] = of("accepted", ".1%")
    caption = (
        f"{len(images)} images, {len(val)} to recalibrate on, {config.draws} draws"
    )
    report.table(caption, table(rows, ["task"], columns))


def _point(config: Config, report, prior, kind: str) -> tuple[PnPHVAE, Stopping]:
    """PnP-HVAE as tuned for the prior."""
    tuned = SimpleNamespace(prior=config.prior, schedule="preset")
    settings = pnp_settings(tuned, report, kind, config.noise)
    tolerance = settings.pop("tolerance", 1e-3)
    return PnPHVAE(prior, **settings), Stopping(tolerance=tolerance)


def _method(config: Config, prior) -> Gibbs:
    return Gibbs(
        prior,
        temperature=config.temperature,
        decoder_std=config.decoder_std,
        encoder_noise=config.encoder_noise,
        blocks=config.blocks,
        stride=config.stride,
        adapt=config.burn_in,
    )


def _measured(
    method: Gibbs, point: tuple, seen, clean, config: Config, key
) -> dict[str, Any]:
    """Draws of one posterior, its error bounds, and how the chains mixed."""
    (first, stopping), steps = point
    best = restore(first, seen, stopping=stopping, max_steps=steps)
    begin = time.perf_counter()
    drawn = sample(
        method,
        seen,
        key=key,
        n_samples=config.draws,
        chains=config.chains,
        burn_in=config.burn_in,
        thinning=config.thinning,
        start=best.image,
        traces=True,
    )
    samples = np.asarray(drawn.samples)
    seconds = time.perf_counter() - begin
    if int(drawn.status) != Status.DRAWN:
        raise InputError(
            f"--temperature: chains diverged, finite draws {drawn.healthy.tolist()} of"
            f" {config.chains} chains; lower it, or give --decoder_std"
        )
    mean = samples.mean(0)
    pixels = np.asarray(drawn.traces["pixels"])
    moving = pixels.std((0, 1)) > 1e-6
    reference = np.random.default_rng(0).uniform(0, 1, clean.shape)
    found = {
        "samples": samples[:SHOWN],
        "mean": mean,
        "std": samples.std(0),
        "errors": np.abs(clean - mean),
        "bounds": np.quantile(np.abs(samples - mean), LEVELS, axis=0),
        "psnr_pnp": scores(best.mean, clean)["psnr"],
        "psnr_draw": scores(samples[-1], clean)["psnr"],
        "tarp": calibration.tarp(samples[None], clean[None], reference[None])[0],
        "seconds": seconds,
        "r_hat": float(np.median(mixing.r_hat(pixels)[moving])),
        "ess": float(np.median(mixing.effective_size(pixels)[moving])),
    }
    if method.blocks:
        found["accepted"] = float(np.mean(drawn.traces["accepted"]))
    return found


def _factor(found: list[dict], number: int) -> float | None:
    """The conformal factor of a level, None where the images are too few."""
    errors = [one["errors"] for one in found]
    bounds = [one["bounds"][number] for one in found]
    try:
        return calibration.conformal_factor(errors, bounds, LEVELS[number])
    except InputError:
        return None


def _row(one: dict, clean, factors: list) -> dict[str, Any]:
    names = "psnr_pnp", "psnr_draw", "r_hat", "ess", "seconds", "accepted"
    row = scores(one["mean"], clean) | {n: one[n] for n in names if n in one}
    row |= {
        "deviation": 255 * float(one["std"].mean()),
        "ess_per_second": one["ess"] / one["seconds"],
    }
    for name, bound, factor in zip(LEVELS, one["bounds"], factors, strict=True):
        row[f"covered_{name:g}"] = float(np.mean(one["errors"] <= bound))
        if factor is not None:
            inside = one["errors"] <= factor * bound
            row[f"recalibrated_{name:g}"] = float(np.mean(inside))
            row[f"factor_{name:g}"] = factor
    return row


def _curves(task: str, rows: list[dict]) -> list[dict]:
    """Level, share and whether recalibrated, of a task's rows."""
    return [
        {"level": q, "covered": row[f"{kind}_{q:g}"], "of": f"{task}{after}"}
        for row in rows
        if row["task"] == task
        for kind, after in (("covered", ""), ("recalibrated", ", recalibrated"))
        for q in LEVELS
        if f"{kind}_{q:g}" in row
    ]


def _shown(one: dict, clean) -> list[np.ndarray]:
    scale = max(float(one["std"].max()), 1e-6)
    return [clean, one["mean"], one["std"] / scale, *one["samples"]]


def _draw(report, reliability: list[dict], pictures: dict[str, list]) -> None:
    title = "share of true errors below the quantile"
    panel = Panel(
        *(reliability, "level", "covered", "of", title, "share", "level"), style=".-"
    )
    curves(report.picture, "calibration", panel)
    heads = ["original", "mean", "deviation", *["draw"] * SHOWN]
    sheet(report.file("_draws.png"), list(pictures.values()), list(pictures), heads)
