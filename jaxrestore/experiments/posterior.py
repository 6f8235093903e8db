"""VBLE and VBLE-xz: quality, and whether their uncertainty can be trusted.

  python -m jaxrestore.experiments posterior --images=DIR --out=DIR --prior=FILE

Tasks, with noise of 2.55 and 7.65/255 by default:

    blur 1, blur 3  Gaussian blur of 1 and 3 pixels
    motion          a motion blur of 25 x 25 pixels, or --kernel=FILE
    x2, x4          bicubic reduction
    missing         half of the pixels, other ones for each image

VBLE and VBLE-xz fit their posterior and draw --draws images. PSNR of their mean
(MMSE-x) and of the decoded middle (MMSE-z); the share of true errors |mean - original|
that lie below the 90 % quantile of |draw - mean|, pixel by pixel: 90 % if the posterior
is right. Beside them PnP-HVAE with the settings tuned for --hvae, and total variation
with its preset weight, on the same observations. "start" is the image that the solvers
start from. The rate of an autoencoder is chosen by the evidence, or --rate=NUMBER. One
picture shows the share for every level, NAME_maps.png the first image's errors beside
the deviations that were predicted.
"""

import time
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.harness import scores, starting_image
from jaxrestore.evaluation.inputs import test_images
from jaxrestore.evaluation.pictures import Panel, curves, draw
from jaxrestore.evaluation.tables import across, of, table
from jaxrestore.experiments.comparison import masks, missing, random_problem
from jaxrestore.experiments.settings import Config as BaseConfig
from jaxrestore.experiments.settings import (
    configured,
    label,
    levels,
    of_255,
    pnp_settings,
    some,
)
from jaxrestore.operators import Blur, Downsample, kernels
from jaxrestore.priors import load_prior
from jaxrestore.settings import count, number, setting, text
from jaxrestore.solvers import (
    TV,
    VBLE,
    VBLEXZ,
    PnPHVAE,
    SelectRate,
    Stopping,
    presets,
    restore,
    sample,
)

QUICK = {"max_images": 1, "crop": 16, "steps": 3, "draws": 6, "noise": (0.03,)}
_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_COVERED = "covered_0.9"
_FITTED = {"VBLE": VBLE, "VBLE-xz": VBLEXZ}
METHODS = (*_FITTED, "PnP-HVAE", "total variation")


def _blur(std: float):
    kernel = jnp.asarray(kernels.gaussian(2 * round(3 * std) + 1, std))
    return lambda shape, rng: Blur(kernel)


def _reduced(factor: int):
    kernel = jnp.asarray(kernels.bicubic(factor))
    return lambda shape, rng: Downsample(kernel, factor)


def _motion(config: "Config"):
    file = config.kernel
    kernel = kernels.load_kernel(file) if file else kernels.motion(25, 0)
    return lambda shape, rng: Blur(jnp.asarray(kernel))


# Task of the presets, and operators by settings.
TASKS = {
    "blur 1": ("blur", lambda config: _blur(1.0)),
    "blur 3": ("blur", lambda config: _blur(3.0)),
    "motion": ("blur", _motion),
    "x2": ("downsample", lambda config: _reduced(2)),
    "x4": ("downsample", lambda config: _reduced(4)),
    "missing": ("mask", lambda config: masks(missing, 0.5)),
}


@configured(prior="vae-faces64")
class Config(BaseConfig):
    tasks: tuple = setting(tuple(TASKS), some(*TASKS), "which")
    methods: tuple = setting(METHODS, some(*METHODS), "which")
    noise: tuple = setting(of_255(2.55, 7.65), levels, "levels, of 255")
    kernel: str = setting("", text, "of motion: a file")
    hvae: str = setting("patch-vdvae-natural", text, "prior of PnP-HVAE")
    rate: float | None = setting(
        None, number(0, above=True, none=True), "of an autoencoder; none: chosen"
    )
    steps: int = setting(300, count(), "of Adam")
    learning_rate: float = setting(0.1, number(0, above=True), "of Adam")
    weight: float = setting(1.0, number(0), "of the divergence")
    draws: int = setting(100, count(2), "of each posterior")


def run(config: Config, report) -> None:
    """Fit, draw, score, tabulate."""
    prior = load_prior(config.prior)
    images, key = test_images(config, prior), jax.random.key(config.seed)
    methods = {name: _method(name, config, prior, report) for name in config.methods}
    rows, drawn = [], []
    cases = [(task, noise) for task in config.tasks for noise in config.noise]
    for i, (task, noise) in enumerate(tqdm(cases, "cases", disable=None)):
        kind, make = TASKS[task]
        problem = random_problem(task, kind, noise, task, make(config))
        seen = problem.degrade(images, jax.random.fold_in(key, i))[task]
        for j, (name, clean) in enumerate(images.items()):
            about = {"image": name, "task": task, "noise": label(noise)}
            own = jax.random.fold_in(key, 1000 * i + j)
            start = starting_image(seen[j])
            rows.append(about | {"method": "start"} | scores(start, clean))
            shown = {"clean": clean, "start": start}
            for method, solve in methods.items():
                found, maps = solve(kind, noise, seen[j], clean, own)
                rows.append(about | {"method": method} | found)
                shown |= {f"{method} ({what})": image for what, image in maps.items()}
            if j == 0:
                head = f"{task}, {label(noise)}"
                drawn.append((head, {n: np.asarray(v) for n, v in shown.items()}))
        report.rows(rows)
    draw(report.file("_maps.png"), drawn)
    _tabulate(rows, report, f"{len(images)} images, {config.draws} draws")


def _tabulate(rows: list[dict], report, caption: str) -> None:
    reliability = [entry for row in rows if _COVERED in row for entry in _curve(row)]
    parts = [table(rows, ["task", "noise", "method"], _COLUMNS)]
    if reliability:
        title = "share of true errors below the quantile"
        axes = ("level", "covered", "method", title, "share", "level of the quantile")
        curves(report.picture, "reliability", Panel(reliability, *axes, style=".-"))
        shares = across(reliability, "method", of("covered", ".1%"))
        parts.append(table(reliability, ["level"], shares))
    report.table(caption, "\n".join(parts))


def _known(key: str, form: str):
    """A column of means, empty where there are none."""
    column = of(key, form)
    return lambda rows: column(rows) or ""


_COLUMNS = {
    "PSNR": of("psnr", ".2f"),
    "PSNR MMSE-z": _known("psnr_z", ".2f"),
    "SSIM": of("ssim", ".3f"),
    "error below 90 %": _known(_COVERED, ".1%"),
    "deviation of 255": _known("deviation", ".2f"),
    "rate": _known("rate", ".4f"),
    "seconds": _known("seconds", ".1f"),
}


def _method(name: str, config: Config, prior, report) -> Any:
    """(task, noise, observation, original, key) -> row, images of the method."""
    if name in _FITTED:
        given = {"weight": config.weight, "learning_rate": config.learning_rate}
        method = _FITTED[name](prior, **given, rate=config.rate)
        if config.rate is None and len(getattr(prior.config, "rates", ())) > 1:
            method = SelectRate(method)
        return lambda kind, noise, *rest: _measured(method, config, *rest)
    hvae = load_prior(config.hvae) if name == "PnP-HVAE" else None
    return partial(_point, hvae, config, report)


def _point(hvae, config: Config, report, kind: str, noise: float, seen, clean, key):
    """Of a method that gives one image: PnP-HVAE with a prior, else total variation."""
    begin = time.perf_counter()
    if hvae is None:
        method: Any = TV(**presets.preset("tv", "", kind, noise).settings)
        stopping = TV.stopping
    else:
        named = SimpleNamespace(prior=config.hvae)
        given = pnp_settings(named, report, kind, noise)
        stopping = Stopping(given.pop("tolerance", PnPHVAE.stopping.tolerance))
        method = PnPHVAE(hvae, **given)
    found = restore(method, seen, key=key, stopping=stopping)
    image = jax.block_until_ready(found.mean)
    seconds = time.perf_counter() - begin
    return scores(image, clean) | {"seconds": seconds}, {"mean": image}


def _measured(solver, config: Config, seen, clean, key) -> tuple[dict, dict]:
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
    scale = 1 / (float(jnp.quantile(true, 0.99)) + 1e-6)
    maps = {"mean": mean, "error": scale * true, "deviation": scale * drawn.std}
    return row, maps


def _curve(row: dict) -> list[dict]:
    """A row for each level."""
    return [
        {"level": level, "method": row["method"], "covered": row[f"covered_{level:g}"]}
        for level in _LEVELS
    ]
