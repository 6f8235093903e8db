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

Each image's draws are remembered in OUT/calibration: a run that was stopped goes on
where it was, and one of more images computes the new ones alone.
"""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.data.files import make_folder
from jaxrestore.evaluation.inputs import prior_and_images, validation_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import of, table
from jaxrestore.experiments.chains import LEVELS, SHOWN, factor, measured, remembered
from jaxrestore.experiments.chains import row as row_of
from jaxrestore.experiments.comparison import masks, missing, random_problem
from jaxrestore.experiments.faces import blurred, smaller, square
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
from jaxrestore.metrics import calibration
from jaxrestore.operators import Blur, kernels
from jaxrestore.priors.weights import resolve, sha256
from jaxrestore.report.sheets import sheet
from jaxrestore.settings import count, number, setting
from jaxrestore.solvers import Gibbs, PnPHVAE, Stopping

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
    shown: int = setting(3, count(), "images of each task drawn")


def run(config: Config, report) -> None:
    """Draw on both sets, recalibrate on one, score the other."""
    prior, images = prior_and_images(config)
    val, key = validation_images(config, prior), jax.random.key(config.seed)
    rows, reliability, pictures = [], [], []
    for i, task in enumerate(tqdm(config.tasks, "tasks", disable=None)):
        kind, make = TASKS[task]
        problem = random_problem(task, kind, config.noise, task, make)
        draw = _drawing(config, report, prior, kind)
        keys = [jax.random.fold_in(jax.random.fold_in(key, i), n) for n in (0, 1)]
        known = list(_each(draw, problem, val, keys[0]))
        factors = [factor(known, k) for k in range(len(LEVELS))]
        shares, found = [], _each(draw, problem, images, keys[1])
        for name, x, one in zip(images, images.values(), found, strict=True):
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
    caption = (
        f"{len(images)} images, {len(val)} to recalibrate on, {config.draws} draws"
    )
    report.table(caption, table(rows, ["task"], columns))


def _each(draw, problem, images, key):
    """One image after the other."""
    seen = problem.degrade(images, key)[problem.label]
    for j, x in enumerate(tqdm(images.values(), problem.label, disable=None)):
        yield draw(seen[j], x, jax.random.fold_in(key, j))


def _drawing(config: Config, report, prior, kind: str):
    """(observation, clean, key) -> what `measured` finds, from disk where it is."""
    tuned = SimpleNamespace(prior=config.prior, schedule="preset")
    settings = pnp_settings(tuned, report, kind, config.noise)
    tolerance = settings.pop("tolerance", 1e-3)
    point = PnPHVAE(prior, **settings), Stopping(tolerance=tolerance), config.steps
    method = Gibbs(
        prior,
        temperature=config.temperature,
        decoder_std=config.decoder_std,
        encoder_noise=config.encoder_noise,
        blocks=config.blocks,
        stride=config.stride,
        adapt=config.burn_in,
    )
    names = "chains", "burn_in", "thinning"
    sampling = {name: getattr(config, name) for name in names}
    sampling["n_samples"] = config.draws
    folder = make_folder(report.folder / "calibration", "--out")
    weights = sha256(resolve(config.prior)[0])
    known = weights, settings, tolerance, config.steps, method.settings(), sampling

    def draw(seen, clean, key):
        def compute():
            return measured(method, point, seen, clean, key, **sampling)

        arrays = seen, clean, jax.random.key_data(key)
        return remembered(folder, known, arrays, compute)

    return draw


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
