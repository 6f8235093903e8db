"""Faces with a hole, with missing pixels, and small ones: one table (table 5.1).

  python -m jaxrestore.experiments faces --images=DIR --val=DIR --out=DIR

Tasks, noise 3/255 each unless --noise says otherwise:

    square     a square of a ninth of the area is missing, in the middle
    missing    60 % of the pixels are missing, other ones for each face
    x4         Gaussian blur of 2 pixels, every fourth pixel kept

Every method gets the same observations. Total variation's weight and PnP-HVAE's
temperature and decoder deviation are chosen on --val for each task (other faces than
those of --images); what was used is written beside the table. "start" is the image that
the solvers start from: a smooth fill, or bicubic enlargement. --rates=0.01,0.001 adds
Adam on the same objective, as in the thesis.
"""

import jax.numpy as jnp
import numpy as np

from jaxrestore.experiments import comparison
from jaxrestore.experiments.settings import Level, configured, label, level, some
from jaxrestore.operators import Downsample, Mask
from jaxrestore.operators.kernels import gaussian
from jaxrestore.settings import setting

QUICK = comparison.QUICK | {"tasks": ("x4",), "batch": 1}


def square(shape: tuple[int, ...], rng=None) -> Mask:
    """A ninth of the area is missing, in the middle."""
    (top, tall), (left, wide) = (((n - n // 3) // 2, n // 3) for n in shape[:2])
    seen = np.ones((*shape[:2], 1), np.float32)
    seen[top : top + tall, left : left + wide] = 0
    return Mask(jnp.asarray(seen))


def smaller(shape: tuple[int, ...], rng=None) -> Downsample:
    """Blur and decimation by 4."""
    size = min(15, (min(shape[:2]) - 1) // 2 * 2 + 1)
    return Downsample(jnp.asarray(gaussian(size, 2.0)), 4)


TASKS = {
    "square": ("hole", square),
    "missing": ("mask", comparison.masks(comparison.missing, 0.6)),
    "x4": ("downsample", smaller),
}


@configured(
    prior="vdvae-faces64",
    max_images=100,
    shown=3,
    batch=20,
    val_images=12,
    val_crop=0,
    tune=True,
    temperatures=(0.4, 0.6, 0.8, 0.9),
    steps=100,
    tolerance=1e-3,
    tv_steps=150,
)
class Config(comparison.Config):
    tasks: tuple = setting(tuple(TASKS), some(*TASKS), "which")
    noise: float = setting(Level(3 / 255), level(), "of 255")


def run(config: Config, report) -> None:
    """Choose settings, solve, score."""
    case, problems = f"noise {label(config.noise)}", []
    for name in config.tasks:
        task, make = TASKS[name]
        one = comparison.random_problem(name, task, config.noise, case, make)
        problems.append(one)
    comparison.natural(config, report, problems)
