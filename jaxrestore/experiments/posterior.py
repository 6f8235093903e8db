"""VBLE and VBLE-xz: quality, and whether their uncertainty can be trusted.

  python -m jaxrestore.experiments posterior --images=DIR --out=DIR --prior=FILE

Tasks, with noise of 2.55 and 7.65/255 by default:

    blur 1, blur 3  Gaussian blur of 1 and 3 pixels
    missing         half of the pixels, other ones for each image

Each method fits its posterior and draws --draws images. PSNR of their mean (MMSE-x) and
of the decoded middle (MMSE-z); the share of true errors |mean - original| that lie
below the 90 % quantile of |draw - mean|, pixel by pixel: 90 % if the posterior is
right. The picture shows this share for every level. "start" is the image that the
solvers start from.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.harness import scores, starting_image
from jaxrestore.evaluation.inputs import test_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import across, of, table
from jaxrestore.experiments.comparison import masks, missing, random_problem
from jaxrestore.experiments.settings import Config as BaseConfig
from jaxrestore.experiments.settings import configured, label, levels, of_255, some
from jaxrestore.operators import Blur, kernels
from jaxrestore.priors import load_prior
from jaxrestore.settings import count, number, setting
from jaxrestore.solvers import VBLE, VBLEXZ, SelectRate, restore, sample

QUICK = {"max_images": 1, "crop": 16, "steps": 3, "draws": 6, "noise": (0.03,)}
_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_COVERED = "covered_0.9"
METHODS = {"VBLE": VBLE, "VBLE-xz": VBLEXZ}


def _blur(std: float):
    kernel = jnp.asarray(kernels.gaussian(2 * round(3 * std) + 1, std))
    return lambda shape, rng: Blur(kernel)


# Task of the command line, and operators.
TASKS = {
    "blur 1": ("blur", _blur(1.0)),
    "blur 3": ("blur", _blur(3.0)),
    "missing": ("mask", masks(missing, 0.5)),
}


@configured(prior="vae-faces64")
class Config(BaseConfig):
    tasks: tuple = setting(tuple(TASKS), some(*TASKS), "which")
    methods: tuple = setting(tuple(METHODS), some(*METHODS), "which")
    noise: tuple = setting(of_255(2.55, 7.65), levels, "levels, of 255")
    steps: int = setting(300, count(), "of Adam")
    learning_rate: float = setting(0.1, number(0, above=True), "of Adam")
    weight: float = setting(1.0, number(0), "of the divergence")
    draws: int = setting(100, count(2), "of each posterior")


def run(config: Config, report) -> None:
    """Fit, draw, score, tabulate."""
    prior = load_prior(config.prior)
    images, key = test_images(config, prior), jax.random.key(config.seed)
    rows, reliability = [], []
    cases = [(task, noise) for task in config.tasks for noise in config.noise]
    for i, (task, noise) in enumerate(tqdm(cases, "cases", disable=None)):
        kind, make = TASKS[task]
        problem = random_problem(task, kind, noise, task, make)
        seen = problem.degrade(images, jax.random.fold_in(key, i))[task]
        for j, (name, clean) in enumerate(images.items()):
            about = {"image": name, "task": task, "noise": label(noise)}
            for method in config.methods:
                solver = _solver(METHODS[method], config, prior)
                own = jax.random.fold_in(key, 1000 * i + j)
                found = _measured(solver, seen[j], clean, config, own)
                rows.append(about | {"method": method} | found)
                reliability += _curve(rows[-1])
            first = scores(starting_image(seen[j]), clean)
            rows.append(about | {"method": "start"} | first)
        report.rows(rows)
    panel = Panel(
        reliability,
        "level",
        "covered",
        "method",
        "share of true errors below the quantile",
        "share",
        "level of the quantile",
        style=".-",
    )
    curves(report.picture, "reliability", panel)
    columns = {
        "PSNR": of("psnr", ".2f"),
        "PSNR MMSE-z": _known("psnr_z", ".2f"),
        "SSIM": of("ssim", ".3f"),
        "error below 90 %": _known(_COVERED, ".1%"),
        "deviation of 255": _known("deviation", ".2f"),
        "seconds": _known("seconds", ".1f"),
    }
    parts = [
        table(rows, ["task", "noise", "method"], columns),
        table(reliability, ["level"], across(reliability, "method", _SHARE)),
    ]
    report.table(f"{len(images)} images, {config.draws} draws", "\n".join(parts))


def _known(key: str, form: str):
    """A column of means, empty where there are none."""
    column = of(key, form)
    return lambda rows: column(rows) or ""


_SHARE = of("covered", ".1%")


def _solver(kind: Any, config: Config, prior) -> Any:
    method = kind(prior, weight=config.weight, learning_rate=config.learning_rate)
    several = len(getattr(prior.config, "rates", ())) > 1
    return SelectRate(method) if several else method


def _measured(solver, seen, clean, config: Config, key) -> dict[str, Any]:
    """Scores and coverage of one image; the first of a kind counts its compilation."""
    begin = time.perf_counter()
    result = restore(solver, seen, key=key, max_steps=config.steps)
    arguments = {"key": key, "n_samples": config.draws, "keep": False}
    posterior = solver.posterior(result)
    drawn = sample(posterior, seen, **arguments)
    mean = jax.block_until_ready(drawn.mean)
    seconds = time.perf_counter() - begin
    about = posterior.about(mean)
    errors: Any = sample(about, seen, quantiles=_LEVELS, **arguments).quantiles
    true = jnp.abs(mean - clean)
    row = scores(mean, clean) | {"psnr_z": scores(result.mean, clean)["psnr"]}
    row |= {"deviation": 255 * float(drawn.std.mean()), "seconds": seconds}
    if isinstance(solver, SelectRate):
        row["rate"] = float(solver.rate(result))
    for level, quantile in zip(_LEVELS, errors, strict=True):
        row[f"covered_{level:g}"] = float(np.mean(true <= quantile))
    return row


def _curve(row: dict) -> list[dict]:
    """A row for each level."""
    return [
        {"level": level, "method": row["method"], "covered": row[f"covered_{level:g}"]}
        for level in _LEVELS
    ]
