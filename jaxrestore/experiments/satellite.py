"""A simulated satellite: panchromatic images behind optics and a detector.

  python -m jaxrestore.experiments satellite --images=DIR --out=DIR --prior=FILE

The images that the slides on VBLE-xz restore (Pleiades) are not public; this makes up
the same kind from photographs. Their luma, reduced by --reduce so that their own noise
and rounding average out, is the ground in digital numbers of 12 bits, 0 to 4095. The
instrument blurs it by a Gaussian whose transfer at half a cycle per pixel is
--transfer, adds noise of variance --dark + --slope x (x: what arrives), clips and
rounds. The defaults are made up, no instrument's.

Methods are told what the makers of an instrument know: the blur, --dark and --slope.
They take the noise for Gaussian, of variance dark + slope y + 1/12 at each value y that
was measured (y stands for what arrives, 1/12 is rounding's). A prior of colours sees
the same image in each channel, with as many times the variance, so that it counts once.
PSNR is relative to 4095. Methods, their settings and the files are those of the
experiment `posterior`; deviations are of 4095, too, and written of 255.
"""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq
from tqdm import tqdm

from jaxrestore.data.fitting import fit
from jaxrestore.errors import InputError
from jaxrestore.evaluation.inputs import Images, test_images
from jaxrestore.evaluation.pictures import draw
from jaxrestore.experiments import fitted
from jaxrestore.experiments.settings import configured
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Blur, kernels
from jaxrestore.priors import load_prior
from jaxrestore.settings import count, number, setting

QUICK = {**fitted.QUICK, "crop": 32}
PEAK = 4095.0  # digital numbers of 12 bits
_ROUNDING = 1 / 12
_RADIUS = 6  # pixels, of the blur


@configured(prior="cae-natural")
class Config(fitted.Fitted):
    reduce: int = setting(2, count(), "photographs, by means of so many pixels a side")
    transfer: float = setting(
        0.15, number(0.01, 0.99), "of the optics at half a cycle per pixel"
    )
    dark: float = setting(4.0, number(0), "variance of the noise without light")
    slope: float = setting(0.1, number(0), "of that variance in what arrives")


def run(config: Config, report) -> None:
    """Simulate, fit, draw, score, tabulate."""
    prior, key = load_prior(config.prior), jax.random.key(config.seed)
    images = grounds(test_images(config), config.reduce)
    methods = fitted.methods(config, prior, report)
    operator = optics(config.transfer)
    channels = getattr(prior.config, "image_channels", 1)
    rows, drawn = [], []
    for j, (name, ground) in enumerate(tqdm(images.items(), "images", disable=None)):
        own = jax.random.fold_in(key, j)
        seen = observed(own, ground, operator, config.dark, config.slope, channels)
        clean = np.repeat(ground, channels, -1)
        case = "blur", float(seen.noise.level), seen, clean, own
        new, shown = fitted.solved(methods, {"image": name}, *case)
        rows += new
        drawn += [(name, shown)] if j < 3 else []
        report.rows(rows)
    draw(report.file("_maps.png"), drawn)
    noise = f"variance {config.dark:g} + {config.slope:g} x"
    caption = f"{len(images)} images of 12 bits, transfer {config.transfer:g}, {noise}"
    fitted.tabulate(rows, [], report, f"{caption}, {config.draws} draws")


def grounds(images: Images, reduce: int) -> Images:
    """Photographs (H, W, 3) as panchromatic images (h, w, 1), whole numbers / 4095.

    Raises:
        InputError: an image is smaller than one reduced pixel.
    """
    found, grey = {}, SimpleNamespace(image_channels=1)
    for name, pixels in images.items():
        rows, columns = (side // reduce for side in pixels.shape[:2])
        if not rows * columns:
            raise InputError(
                f"--reduce={reduce}: image {name} has {pixels.shape[0]} x"
                f" {pixels.shape[1]} pixels; expected at most its smaller side"
            )
        luma = fit(pixels[: rows * reduce, : columns * reduce], grey)
        blocks = luma.reshape(rows, reduce, columns, reduce, 1)
        found[name] = np.round(PEAK * blocks.mean((1, 3))) / np.float32(PEAK)
    return found


def optics(transfer: float) -> Blur:
    """A Gaussian blur with this transfer, as sampled, at half a cycle per pixel."""
    places = np.arange(-_RADIUS, _RADIUS + 1)

    def excess(std):
        line = np.exp(-0.5 * (places / std) ** 2)
        return line @ (1 - 2 * (places % 2)) / line.sum() - transfer

    std: Any = brentq(excess, 0.1, 2)
    return Blur(jnp.asarray(kernels.gaussian(len(places), std)))


def observed(
    key: jax.Array, ground, operator: Blur, dark: float, slope: float, channels: int
) -> Observation:
    """What the instrument sends down, with the noise that it is taken to have.

    Args:
        key: of the noise.
        ground: (h, w, 1) in [0, 1].
        operator: the optics.
        dark, slope: of the variance, in squared digital numbers and digital numbers.
        channels: the image stands in each of them.
    """
    arriving = PEAK * jnp.maximum(operator(jnp.asarray(ground)), 0)
    noise = jnp.sqrt(dark + slope * arriving) * jax.random.normal(key, arriving.shape)
    y = jnp.round(jnp.clip(arriving + noise, 0, PEAK))
    told = jnp.sqrt(channels * (dark + slope * y + _ROUNDING))
    y, told = (jnp.repeat(a / PEAK, channels, -1) for a in (y, told))
    return Observation(y, operator, GaussianNoise(told))
