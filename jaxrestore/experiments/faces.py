"""Faces behind blur, made small, or with holes: one table (table 5.1 and ours).

  python -m jaxrestore.experiments faces --images=DIR --val=DIR --out=DIR

Tasks, the first three those of the thesis' table:

    x4         Gaussian blur of 2 pixels, every fourth pixel kept; noise 3/255
    motion     motion blur, --kernel or a random one of 25 pixels; noise 8/255
    gaussian   Gaussian blur of 2 pixels; noise 8/255
    square     a square of a ninth of the area is missing, in the middle; noise 3/255
    missing    60 % of the pixels are missing, other ones for each face; noise 3/255

--noise sets another level for all of them. Every method gets the same observations.
Total variation's weight and PnP-HVAE's temperature and decoder deviation are chosen on
--val for each task (other faces than those of --images); what was used is written
beside the table. "start" is the image that the solvers start from: y, a smooth fill, or
bicubic enlargement. --rates=0.01,0.001 adds Adam on the same objective, as in the
thesis; --csgm_steps=500 adds CSGM, descent in the latents of the same prior alone. (The
thesis has ILO there, which descends in the layers of a GAN, and DPS, a diffusion model:
other priors.) MB is what one image takes beside its data, by the compiler's account.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from jaxrestore.experiments import comparison
from jaxrestore.experiments.settings import Level, configured, label, level, some
from jaxrestore.operators import Blur, Downsample, Mask
from jaxrestore.operators.kernels import gaussian, load_kernel, motion
from jaxrestore.settings import count, setting, text

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


def blurred(make) -> Callable[..., Blur]:
    """(shape, rng) -> the blur by make(size), 25 pixels or what fits."""

    def operator(shape: tuple[int, ...], rng=None) -> Blur:
        size = min(25, (min(shape[:2]) - 1) // 2 * 2 + 1)
        return Blur(jnp.asarray(make(size)))

    return operator


# Task, noise level of 255, operator.
TASKS = {
    "x4": ("downsample", 3, smaller),
    "motion": ("blur", 8, blurred(lambda size: motion(size, 0))),
    "gaussian": ("blur", 8, blurred(lambda size: gaussian(size, 2.0))),
    "square": ("hole", 3, square),
    "missing": ("mask", 3, comparison.masks(comparison.missing, 0.6)),
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
    noise: float | None = setting(None, level(none=True), "of 255; else the task's own")
    kernel: str = setting("", text, "of motion, a file; without: a random one")
    csgm_steps: int = setting(0, count(0), "of CSGM; 0: without it")


def run(config: Config, report) -> None:
    """Choose settings, solve, score."""
    problems = []
    for name in config.tasks:
        task, own, make = TASKS[name]
        noise = Level(own / 255) if config.noise is None else config.noise
        if name == "motion" and config.kernel:
            given = Blur(jnp.asarray(load_kernel(config.kernel)))
            make = lambda shape, rng, given=given: given  # noqa: E731
        case = f"noise {label(noise)}"
        problems.append(comparison.random_problem(name, task, noise, case, make))

    def more(prior) -> list[comparison.Entry]:
        limits = {"max_steps": config.csgm_steps}
        given = "CSGM", "csgm", "csgm", (prior,), lambda problem: [{}], limits
        return [comparison.Entry(*given)] if config.csgm_steps else []

    comparison.natural(config, report, problems, more, costs=True)
