"""Deblurring natural images: total variation and PnP-HVAE, one table (table 5.2).

  python -m jaxrestore.experiments deblurring --images=DIR --val=DIR --kernels=DIR \\
      --out=DIR

--kernels holds blur kernels by number (4.npy, ...), --ids which; without it a Gaussian
and a motion kernel from formulas are taken. Every method gets the same observation:
periodic blur, then Gaussian noise of its own for each image, kernel and noise level.
Total variation's weight is chosen on --val for each noise level; PnP-HVAE's settings
are those tuned for the prior, of --settings, or with --tune from a grid on --val
(scored by the decoder mean). What was used is written beside the table. "start" is the
observation.
"""

from functools import partial

import jax

from jaxrestore.evaluation.harness import observe
from jaxrestore.evaluation.inputs import blurs, read_kernels
from jaxrestore.experiments import comparison
from jaxrestore.experiments.settings import Kernels, configured, label, of_255

QUICK = comparison.QUICK | {
    "crop": 32,
    "val_crop": 32,
    "noise": of_255(7.65),
    "ids": ("gaussian",),
}


@configured(tv_weights=(6.0, 9.0, 13.0, 18.0, 25.0, 35.0, 50.0))
class Config(comparison.Config, Kernels):
    pass


def run(config: Config, report) -> None:
    """Choose settings, solve, score."""
    seen = partial(blurred, read_kernels(config.kernels, config.ids))
    how = ("noise", "kernel"), "mean"
    problems = [
        comparison.Problem(label(noise), "blur", noise, partial(seen, noise), *how)
        for noise in config.noise
    ]
    comparison.natural(config, report, problems)


def blurred(kernels, noise: float, images, key: jax.Array) -> dict[str, list]:
    """Observations of all images behind each kernel, with noise of their own."""
    result = {}
    for i, (name, kernel) in enumerate(kernels.items()):
        operators = blurs(images, kernel, f"--ids={name}")
        own = jax.random.fold_in(key, i)
        result[name] = observe(own, images.values(), operators, noise)
    return result
