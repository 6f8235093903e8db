"""Posterior draws with a hierarchical VAE: is what they say of their error true?

  python -m jaxrestore.experiments calibration --images=DIR --val=DIR --out=DIR

Tasks, noise 3/255 unless --noise says otherwise:

    square     a square of a ninth of the area is missing, in the middle
    missing    60 % of the pixels are missing, other ones for each image
    x4         Gaussian blur of 2 pixels, every fourth pixel kept
    blur       Gaussian blur of 1.6 pixels
    motion     motion blur, a random one of 25 pixels

`Gibbs` draws --draws images of each posterior, over --chains chains that start from
PnP-HVAE's image. Scores of their mean (the posterior's: E[x | z, y] averaged; "average"
is that of the draws themselves) and of one draw, beside PnP-HVAE's with the settings
tuned for the prior; the share of true errors |mean - original| that lie below
the quantile of |draw - mean| of each level, as it is and after conformal recalibration:
the quantiles times a factor found on the images of --val (others than those of
--images), which promises that share in expectation. TARP is the p-value of whole images
being covered as they should, meaningful from some 50 images on. ESS is the median
effective number of draws over followed pixels, of all chains. With --blocks also which
share of the corrected moves was accepted, and their stride: means over blocks, in the
CSV of each block.

Of several values of --temperature and --decoder_std those are taken whose mean has the
best PSNR on the first --tune_images of --val, for each task; the others of --val
recalibrate. Each image's draws are remembered in OUT/calibration: a run that was
stopped goes on where it was, and one of more images computes the new ones alone.
"""

import itertools
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
from jaxrestore.experiments.chains import LEVELS, SHOWN, Diverged, drawing, factor
from jaxrestore.experiments.chains import row as row_of
from jaxrestore.experiments.comparison import masks, missing, random_problem
from jaxrestore.experiments.faces import blurred, smaller, square
from jaxrestore.experiments.settings import (
    Level,
    Validated,
    configured,
    label,
    level,
    some,
    taus,
    told,
)
from jaxrestore.metrics import calibration
from jaxrestore.operators import Blur, kernels
from jaxrestore.report.sheets import sheet
from jaxrestore.settings import count, number, sequence, setting

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
TABLED = (0.5, 0.9, 0.95)


def _blur(shape, rng=None) -> Blur:
    size = min(11, (min(shape[:2]) - 1) // 2 * 2 + 1)
    return Blur(jnp.asarray(kernels.gaussian(size, 1.6)))


TASKS = {
    "square": ("hole", square),
    "missing": ("mask", masks(missing, 0.6)),
    "x4": ("downsample", smaller),
    "blur": ("blur", _blur),
    "motion": ("blur", blurred(lambda size: kernels.motion(size, 0))),
}


@configured(prior="vdvae-faces64", max_images=10, val_images=10, val_crop=0)
class Config(Validated):
    tasks: tuple = setting(tuple(TASKS), some(*TASKS), "which")
    noise: float = setting(Level(3 / 255), level(), "of 255")
    temperature: tuple = setting((1.0,), taus, "of Gibbs; several: chosen on --val")
    decoder_std: tuple = setting(
        (None,), sequence(level(none=True)), "likewise, of 255; none: predicted"
    )
    tune_images: int = setting(4, count(), "first ones of --val, that choose")
    encoder_noise: Any = setting(None, told, "told, of 255")
    blocks: int | None = setting(None, count(none=True), "of Gibbs: corrected; none")
    stride: float = setting(1.0, number(0, 1, above=True), "of corrected moves")
    draws: int = setting(100, count(8), "of each posterior")
    chains: int = setting(4, count(), "side by side")
    burn_in: int = setting(20, count(0), "first steps of each chain")
    thinning: int = setting(1, count(), "steps from draw to draw")
    steps: int = setting(50, count(), "of PnP-HVAE at most")
    shown: int = setting(3, count(), "images of each task drawn")


def run(config: Config, report) -> None:
    """Draw on both sets, recalibrate on one, score the other."""
    prior, images = prior_and_images(config)
    val, key = validation_images(config, prior), jax.random.key(config.seed)
    if len(_grid(config)) > 1 and len(val) <= config.tune_images:
        raise InputError(
            f"--val: {len(val)} images, expected more than --tune_images="
            f"{config.tune_images}, which choose; the others recalibrate"
        )
    rows, reliability, pictures = [], [], []
    for task in tqdm(config.tasks, "tasks", disable=None):
        # Its own place, so that other tasks beside it change nothing.
        i, (kind, make) = list(TASKS).index(task), TASKS[task]
        problem = random_problem(task, kind, config.noise, task, make)
        draw = drawing(config, report, prior, kind)
        others, cases = (
            _cases(problem, clean, jax.random.fold_in(jax.random.fold_in(key, i), n))
            for n, clean in enumerate((val, images))
        )
        point, others = _chosen(config, report, draw, task, others)
        known = [draw(point, *case) for case in tqdm(others, "val", disable=None)]
        factors, shares = [factor(known, k) for k in range(len(LEVELS))], []
        for name, case in zip(images, tqdm(cases, task, disable=None), strict=True):
            one, x = draw(point, *case), case[1]
            rows.append({"task": task, "image": name} | row_of(one, x, factors))
            report.rows(rows)
            if len(shares) < config.shown:
                pictures.append((task, _shown(one, x)))
            shares.append(one["tarp"])
        reliability += _curves(task, rows)
        ranks = np.rint(config.draws * np.array(shares)).astype(int)
        p_value = calibration.uniformity(ranks, config.draws, 4)
        report.note(f"{task}: TARP of {len(shares)} images, p = {float(p_value):.3f}")
    _draw(report, reliability, pictures)
    columns = {
        "PSNR mean": of("psnr", ".2f"),
        "average": of("psnr_average", ".2f"),
        "of a draw": of("psnr_draw", ".2f"),
        "PnP-HVAE": of("psnr_pnp", ".2f"),
        "its image": of("psnr_pnp_image", ".2f"),
        "SSIM": of("ssim", ".3f"),
        **{f"below {q:.0%}": of(f"covered_{q:g}", ".1%") for q in TABLED},
        **{f"recalibrated {q:.0%}": of(f"recalibrated_{q:g}", ".1%") for q in TABLED},
        "factor 90%": of("factor_0.9", ".2f"),
        "deviation of 255": of("deviation", ".2f"),
        "R-hat": of("r_hat", ".2f"),
        "ESS": of("ess", ".0f"),
        "ESS/s": of("ess_per_second", ".1f", np.median),
        "seconds": of("seconds", ".1f", np.median),
    }
    if config.blocks:
        columns |= {"accepted": of("accepted", ".1%"), "stride": of("stride", ".3f")}
    count = len(val) - config.tune_images * (len(_grid(config)) > 1)
    caption = f"{len(images)} images, {count} to recalibrate on, {config.draws} draws"
    report.table(caption, table(rows, ["task"], columns))


def _grid(config: Config) -> list[tuple]:
    """Temperatures and decoder deviations to choose from."""
    return list(itertools.product(config.temperature, config.decoder_std))


def _cases(problem, images, key) -> list[tuple]:
    """(observation, clean, key) of each image, by its place."""
    seen = problem.degrade(images, key)[problem.label]
    keys = [jax.random.fold_in(key, i) for i in range(len(seen))]
    return list(zip(seen, images.values(), keys, strict=True))


def _chosen(config: Config, report, draw, task: str, cases: list) -> tuple:
    """The point of the grid whose mean has the best PSNR, and the cases left over."""
    grid, values = _grid(config), []
    if len(grid) == 1:
        return grid[0], cases
    tuned, cases = cases[: config.tune_images], cases[config.tune_images :]
    for point in tqdm(grid, f"tune {task}", disable=None):
        try:
            found = [(draw(point, *case), case[1]) for case in tuned]
        except Diverged as error:
            report.note(f"{task}, tau {point[0]:g}, left out: {error}")
            values.append(-np.inf)
            continue
        values.append(np.mean([scores(one["mean"], x)["psnr"] for one, x in found]))
        gamma = "predicted" if point[1] is None else label(point[1])
        r_hat = np.mean([one["r_hat"] for one, _ in found])
        text = f"tau {point[0]:g}, gamma {gamma}: {values[-1]:.2f} dB"
        text += f", R-hat {r_hat:.2f}"
        report.note(f"{task}, {len(tuned)} images of --val, {text}")
        tqdm.write(f"{task}, {text}")
    if not np.isfinite(values).any():
        raise InputError(
            f"--temperature={config.temperature}: all chains of {task} diverged; add"
            " lower ones, or another --decoder_std"
        )
    return grid[int(np.argmax(values))], cases


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


def _draw(report, reliability: list[dict], pictures: list[tuple[str, list]]) -> None:
    title = "share of true errors below the quantile"
    panel = Panel(
        *(reliability, "level", "covered", "of", title, "share", "level"), style=".-"
    )
    curves(report.picture, "calibration", panel)
    heads = ["original", "mean", "deviation", *["draw"] * SHOWN]
    tasks, rows = zip(*pictures, strict=True)
    sheet(report.file("_draws.png"), rows, tasks, heads)
