"""Analysis against synthesis with a flow, on faces (Oberlin and Verm 2021, table 1).

  python -m jaxrestore.experiments flows --images=DIR --val=DIR --out=DIR

Tasks:

    average x2, average x4   means of blocks of 2 x 2 or 4 x 4 pixels
    uniform blur             7 x 7, periodic (the paper's code pads by mid-grey)
    missing                  60 % of the pixels, other ones for each face
    square                   the middle, a third of each side

without noise as in the paper, or with --noise. Every method gets the same observations.
The flow's methods minimise ||Ax - y||^2 / 2 + lambda * penalty: synthesis over latents
z from 0, penalty ||z||^2; analysis over images x, penalty ||E(x)||^2 of raw latents
(as in the paper's code) or whitened ones, or -log p(x) ("density"). lambda is chosen on
--val for each task, and total variation's weight, too; PnP-HVAE and JPMAP take their
own priors (--hvae, --vae) and the settings tuned for these, and are told a noise of
1/255 where there is none. Mean and deviation over the images stand below the table; a
chart shows by how much analysis is ahead of synthesis on the same faces.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.evaluation.inputs import Images, test_images, validation_images
from jaxrestore.evaluation.tables import Column, across, grouped, table
from jaxrestore.experiments import comparison
from jaxrestore.experiments import settings as kinds
from jaxrestore.experiments.comparison import Entry, Problem
from jaxrestore.experiments.faces import square
from jaxrestore.experiments.settings import configured, label, level, some
from jaxrestore.likelihoods import GaussianNoise
from jaxrestore.operators import Blur, Downsample, kernels
from jaxrestore.priors import Glow, load_prior
from jaxrestore.report import charts
from jaxrestore.settings import choice, count, number, sequence, setting, text
from jaxrestore.solvers import Stopping
from jaxrestore.solvers.descent import DESCENTS

_LEAST = 1 / 255  # noise that methods are told of, which divide by it

QUICK = {
    "max_images": 1,
    "val_images": 1,
    "tasks": ("missing",),
    "steps": 2,
    "weights": (1e-4, 1e-3),
    "methods": ("synthesis", "analysis", "analysis-density", "total variation"),
    "tv_steps": 3,
}


def average(factor: int):
    """(shape, rng) -> the means over blocks."""
    kernel = np.zeros((2 * factor - 1,) * 2, np.float32)
    kernel[:factor, :factor] = 1 / factor**2
    return lambda shape, rng: Downsample(jnp.asarray(kernel), factor)


def uniform(shape: tuple[int, ...], rng=None) -> Blur:
    """Means over 7 x 7 pixels."""
    return Blur(jnp.asarray(kernels.uniform(7)))


# The task whose tuned settings are taken, and the operator.
TASKS: dict[str, tuple[str, Any]] = {
    "average x2": ("downsample", average(2)),
    "average x4": ("downsample", average(4)),
    "uniform blur": ("blur", uniform),
    "missing": ("mask", comparison.masks(comparison.missing, 0.6)),
    "square": ("hole", square),
}
_FLOWS: dict[str, tuple[str, dict[str, Any]]] = {
    "synthesis": ("synthesis", {}),
    "analysis": ("analysis", {"penalty": "raw"}),
    "analysis-whitened": ("analysis", {"penalty": "whitened"}),
    "analysis-density": ("analysis", {"penalty": "density"}),
}
_OTHERS = ("PnP-HVAE", "JPMAP", "total variation")
METHODS = (*_FLOWS, *_OTHERS)


@configured(prior="glow-faces64", shown=2, val_crop=0)
class Config(comparison.Compared, kinds.Validated):
    hvae: str = setting("vdvae-faces64", text, "prior of PnP-HVAE")
    vae: str = setting("vae-faces64", text, "prior of JPMAP")
    tasks: tuple = setting(tuple(TASKS), some(*TASKS), "which")
    methods: tuple = setting(METHODS, some(*METHODS), "which")
    noise: float = setting(kinds.Level(0), level(zero=True), "of 255")
    steps: int = setting(400, count(), "of the flow's methods")
    descent: str = setting("adam", choice(*DESCENTS), "adam | gradient_descent")
    start: str = setting(
        "prior_mean", choice("image", "prior_mean"), "of analysis; synthesis: z = 0"
    )
    weights: tuple = setting(
        (1e-6, 1e-5, 1e-4, 1e-3),
        sequence(number(0)),
        "lambdas to choose from, of squared norms; a density's are 1/2 of them",
    )
    pnp_steps: int = setting(100, count(), "of PnP-HVAE and, a tenth, of JPMAP")
    tolerance: float = setting(1e-3, number(0), "of these two")
    tv_steps: int = setting(150, count(), "of total variation")


def run(config: Config, report) -> None:
    """Choose settings, solve, score."""
    prior = load_flow(config.prior)
    images, val = test_images(config, prior), validation_images(config, prior)
    problems = [problem(name, config.noise) for name in config.tasks]
    entries = [contender(name, config, report, prior) for name in config.methods]
    caption = f"prior {config.prior}, {config.steps} steps of {config.descent}"
    key = jax.random.key(config.seed)
    comparison.compare(
        *(config, report, key, entries, problems, images, val, caption),
        more=partial(_deviations, report),
    )


def load_flow(name: str) -> Glow:
    """The flow of --prior.

    Raises:
        InputError: unknown, or of another kind.
    """
    prior = load_prior(name)
    if not isinstance(prior, Glow):
        raise InputError(
            f"--prior={name}: is a {type(prior).__name__}, expected a Glow; train one"
            " with --config=glow_faces64"
        )
    return prior


def problem(name: str, noise: float) -> Problem:
    """A task; where there is no noise, the least is told."""
    task, make = TASKS[name]
    told = max(noise, _LEAST)
    one = comparison.random_problem(name, task, noise, f"noise {label(noise)}", make)

    def degrade(images: Images, key: jax.Array) -> dict[str, list]:
        model = GaussianNoise(jnp.float32(told))
        return {
            case: [replace(seen, noise=model) for seen in observations]
            for case, observations in one.degrade(images, key).items()
        }

    return one._replace(noise=told, degrade=degrade)


def contender(name: str, config: Config, report, prior: Glow) -> Entry:
    """A method of --methods."""
    if name in _FLOWS:
        return _flow(name, config, prior)
    rules = {"stopping": Stopping(config.tolerance)}
    if name == "PnP-HVAE":
        own = replace(config, prior=config.hvae, steps=config.pnp_steps)
        return comparison.pnp_hvae(own, report, load_prior(config.hvae))
    if name == "JPMAP":
        limits = rules | {"max_steps": max(config.pnp_steps // 10, 1)}
        models, fixed = (load_prior(config.vae),), {"descent_steps": 50}
        return Entry(name, name, "jpmap", models, lambda _: [{}], limits, fixed)
    return comparison.total_variation((0.3, 1.0, 3.0, 10.0, 30.0), config.tv_steps)


def _flow(name: str, config: Config, prior: Glow) -> Entry:
    solver, fixed = _FLOWS[name]
    fixed = fixed | {"misfit": "squares", "descent": config.descent}
    share = 1.0
    if solver == "analysis":
        fixed["start"] = config.start
        share = 0.5 if fixed["penalty"] == "density" else 1.0
    grid = [{"weight": share * weight} for weight in config.weights]
    limits = {"max_steps": config.steps}
    return Entry(name, name, solver, (prior,), lambda _: grid, limits, fixed)


def _spread(key: str, form: str) -> Column:
    def cell(rows) -> str | None:
        values = [row[key] for row in rows if key in row]
        if not values:
            return None
        return f"{np.mean(values):{form}} ± {np.std(values):{form}}"

    return cell


def _deviations(report, rows) -> str:
    if {row["method"] for row in rows} & {*_FLOWS} > {"synthesis"}:
        draw_leads(report.file("_leads.png"), rows)
    cells = across(rows, "task", _spread("psnr", ".2f"), _spread("ssim", ".2f"))
    head = "\nMean and deviation over the images, PSNR (dB) / SSIM:\n\n"
    return head + table(rows, ["method"], cells)


def draw_leads(path, rows) -> None:
    """PSNR of analysis minus that of synthesis: mean and deviation over the images.

    Args:
        path: PNG file to write.
        rows: of the CSV file, numbers as such.
    """
    psnr = {name: {} for name in _FLOWS}
    for row in (row for row in rows if row["method"] in psnr):
        psnr[row["method"]][row["task"], row["image"]] = float(row["psnr"])
    other = psnr.pop("synthesis")
    with charts.chart(path) as (ax,):
        for i, (name, own) in enumerate((n, p) for n, p in psnr.items() if p):
            leads = [{"task": k[0], "lead": v - other[k]} for k, v in own.items()]
            tasks = grouped(leads, "task")
            values = [[row["lead"] for row in of_task] for of_task in tasks.values()]
            ends = np.mean(values, 1), np.std(values, 1)
            ax.errorbar(np.arange(len(values)) + i / 6, *ends, fmt="o", label=name)
            ax.set_xticks(range(len(values)), [task for (task,) in tasks], fontsize=8)
        ax.axhline(0, color="black", linewidth=0.8)
        charts.label(ax, "analysis ahead of synthesis", "", "PSNR, dB")
