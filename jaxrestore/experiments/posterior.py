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

from typing import Any

import jax
import jax.numpy as jnp
from tqdm import tqdm

from jaxrestore.evaluation.inputs import test_images
from jaxrestore.evaluation.pictures import draw
from jaxrestore.experiments import fitted
from jaxrestore.experiments.comparison import masks, missing, random_problem
from jaxrestore.experiments.settings import configured, label, levels, of_255, some
from jaxrestore.operators import Blur, Downsample, kernels
from jaxrestore.priors import load_prior
from jaxrestore.settings import setting, text

QUICK = {**fitted.QUICK, "crop": 16, "noise": (0.03,)}


def _blur(std: float):
    kernel = jnp.asarray(kernels.gaussian(2 * round(3 * std) + 1, std))
    return lambda shape, rng: Blur(kernel)


def _reduced(factor: int):
    kernel = jnp.asarray(kernels.bicubic(factor))
    return lambda shape, rng: Downsample(kernel, factor)


def _motion(config: Any):
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


@configured(prior="vae-xz-faces64")
class Config(fitted.Fitted):
    tasks: tuple = setting(tuple(TASKS), some(*TASKS), "which")
    noise: tuple = setting(of_255(2.55, 7.65), levels, "levels, of 255")
    kernel: str = setting("", text, "of motion: a file")


def run(config: Config, report) -> None:
    """Fit, draw, score, tabulate."""
    prior = load_prior(config.prior)
    images, key = test_images(config, prior), jax.random.key(config.seed)
    methods = fitted.methods(config, prior, report)
    rows, drawn = [], []
    cases = [(task, noise) for task in config.tasks for noise in config.noise]
    for i, (task, noise) in enumerate(tqdm(cases, "cases", disable=None)):
        kind, make = TASKS[task]
        problem = random_problem(task, kind, noise, task, make(config))
        seen = problem.degrade(images, jax.random.fold_in(key, i))[task]
        for j, (name, clean) in enumerate(images.items()):
            about = {"image": name, "task": task, "noise": label(noise)}
            own = jax.random.fold_in(key, 1000 * i + j)
            case = kind, noise, seen[j], clean, own
            new, shown = fitted.solved(methods, about, *case)
            rows += new
            if j == 0:
                drawn.append((f"{task}, {label(noise)}", shown))
        report.rows(rows)
    draw(report.file("_maps.png"), drawn)
    caption = f"{len(images)} images, {config.draws} draws"
    fitted.tabulate(rows, ["task", "noise"], report, caption)
