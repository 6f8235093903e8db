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

from functools import partial

import jax.numpy as jnp
import numpy as np

from jaxrestore import InputError
from jaxrestore.experiments import comparison
from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.inpainting import missing
from jaxrestore.experiments.methods import observe
from jaxrestore.operators import Downsample, Mask
from jaxrestore.operators.kernels import gaussian

QUICK = comparison.QUICK | {"tasks": ["x4"], "batch": 1}
TASKS = {"square": "mask", "missing": "mask", "x4": "downsample"}
_MISSING = 0.6


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add = parser.add_argument
    add("--tasks", type=kinds.words, default=list(TASKS), help="which")
    add("--noise", type=kinds.number, default=3.0, help="of 255")
    comparison.add_flags(parser, tune=True, tv_weights=(1, 3, 6, 12, 25, 50))
    parser.set_defaults(prior="vdvae-faces64", max_images=100, shown=3, batch=20)
    parser.set_defaults(val_images=12, val_crop=0, temperatures=[0.4, 0.6, 0.8, 0.9])
    parser.set_defaults(steps=100, tolerance=1e-3, tv_steps=150)


def run(flags, report) -> None:
    """Choose settings, solve, score."""
    if not flags.tasks or not set(flags.tasks) <= set(TASKS):
        given, known = ",".join(flags.tasks), ", ".join(TASKS)
        raise InputError(f"--tasks={given}: expected {known}")
    if not 0 < flags.noise <= 255:
        raise InputError(f"--noise={flags.noise:g}: expected a level above 0, of 255")
    problems = [
        comparison.Problem(
            task, TASKS[task], flags.noise, partial(degraded, task, flags.noise)
        )
        for task in flags.tasks
    ]
    comparison.compare(report, flags, comparison.read(flags), problems)


def degraded(task: str, noise: float, images, seed: int) -> dict[str, list]:
    """The task's observations of all images, {case: list}."""
    rng = np.random.default_rng(seed)
    operators = [operator(task, image.shape, rng) for image in images.values()]
    return {f"noise {noise:g}": observe(images.values(), operators, noise, seed)}


def operator(task: str, shape: tuple[int, ...], rng: np.random.Generator):
    """Mask of a square or of random pixels, or blur and decimation."""
    if task == "x4":
        size = min(15, (min(shape[:2]) - 1) // 2 * 2 + 1)
        return Downsample(jnp.asarray(gaussian(size, 2.0)), 4)
    if task == "missing":
        return Mask(jnp.asarray(missing((shape[0], shape[1]), _MISSING, rng)))
    (top, tall), (left, wide) = (((n - n // 3) // 2, n // 3) for n in shape[:2])
    seen = np.ones((*shape[:2], 1), np.float32)
    seen[top : top + tall, left : left + wide] = 0
    return Mask(jnp.asarray(seen))
