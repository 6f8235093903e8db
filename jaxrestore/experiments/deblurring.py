"""Deblurring natural images: total variation and PnP-HVAE, one table (table 5.2).

  python -m jaxrestore.experiments deblurring --images=DIR --val=DIR --kernels=DIR \\
      --out=DIR

--kernels holds blur kernels by number (4.npy, ...), --ids which; without it a Gaussian
and a motion kernel from formulas are taken. Every method gets the same observation:
periodic blur, then Gaussian noise of its own for each image, kernel and noise level.
Total variation's weight is chosen on --val for each noise level; PnP-HVAE's settings
are those of solve.py, of --settings, or with --tune from a grid on --val (scored by
the decoder mean). What was used is written beside the table. "start" is the
observation.
"""

from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxrestore import InputError
from jaxrestore.experiments import comparison
from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.methods import observe
from jaxrestore.experiments.settings import check_fits
from jaxrestore.operators import Blur, kernels

QUICK = comparison.QUICK | {
    "crop": 32,
    "val_crop": 32,
    "noise": ["7.65"],
    "ids": ["gaussian"],
}
_FORMULAS = {"gaussian": (kernels.gaussian, 1.6), "motion": (kernels.motion, 0)}


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add = parser.add_argument
    add("--kernels", help="folder of kernels, .npy files")
    add("--ids", type=kinds.words, help="their numbers; with a folder [4,7,9,11]")
    levels = ["2.55", "7.65", "12.75"]
    add("--noise", type=kinds.words, default=levels, help="levels, of 255")
    tv_weights = 6, 9, 13, 18, 25, 35, 50
    comparison.add_flags(parser, tune=False, tv_weights=tv_weights)


def run(flags, report) -> None:
    """Choose settings, solve, score."""
    by_level = levels(flags.noise)
    data, blurs = comparison.read(flags), read_kernels(flags)
    for name, kernel in blurs.items():
        for images in data[1:]:
            check_fits(kernel, images, f"--ids={name}")
    problems = []
    for noise, level in by_level.items():
        degrade, keys = partial(blurred, blurs, level), ("noise", "kernel")
        problem = comparison.Problem(noise, "blur", level, degrade, keys, "mean")
        problems.append(problem)
    comparison.compare(report, flags, data, problems)


def levels(words: list[str]) -> dict[str, float]:
    """Noise levels of 255 by the text that the user wrote.

    Raises:
        InputError: one is not a number above 0.
    """
    result = {}
    for word in words:
        try:
            result[word] = kinds.number(word)
        except ValueError:
            result[word] = 0.0
        if not 0 < result[word] <= 255:
            raise InputError(f"--noise={word}: expected levels of 255 such as 7.65")
    if not result:
        raise InputError("--noise: empty, expected levels of 255 such as 7.65")
    return result


def read_kernels(flags) -> dict[str, np.ndarray]:
    """The blur kernels by name.

    Raises:
        InputError: a file is missing or no kernel, or an unknown name.
    """
    if flags.kernels:
        ids = flags.ids or ["4", "7", "9", "11"]
        return {i: kernels.load_kernel(Path(flags.kernels) / f"{i}.npy") for i in ids}
    ids = flags.ids or list(_FORMULAS)
    for name in ids:
        if name not in _FORMULAS:
            raise InputError(
                f"--ids={name}: without --kernels=DIR expected {', '.join(_FORMULAS)}"
            )
    return {name: _FORMULAS[name][0](25, _FORMULAS[name][1]) for name in ids}


def blurred(blurs, noise: float, images, seed: int) -> dict[str, list]:
    """Observations of all images behind each kernel, with noise of their own."""
    result = {}
    for name, kernel in blurs.items():
        own_seed = seed + int(np.round(np.abs(kernel).max() * 1e6))
        operators = [Blur(jnp.asarray(kernel))] * len(images)
        result[name] = observe(images.values(), operators, noise, own_seed)
    return result
