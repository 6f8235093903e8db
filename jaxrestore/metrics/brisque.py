"""BRISQUE: quality of an image without a reference (Mittal et al. 2012)."""

import functools
from importlib import resources
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from safetensors.numpy import load

from jaxrestore.errors import InputError
from jaxrestore.metrics.brisque_features import features
from jaxrestore.metrics.checks import as_image

_LEAST = 16


class Regressor(NamedTuple):
    """Support vector regression with a Gaussian kernel.

    Attributes:
        support: (n, 36) scaled features of the support vectors.
        weight: (n,) of the support vectors.
        offset: () added to the sum.
        gamma: () of the kernel exp(-gamma ||f - s||^2).
        low, high: (36,) features that are scaled to -1 and 1.
    """

    support: jax.Array
    weight: jax.Array
    offset: jax.Array
    gamma: jax.Array
    low: jax.Array
    high: jax.Array

    def __call__(self, raw: jax.Array) -> jax.Array:
        """Score of unscaled features (36,)."""
        scaled = 2 * (raw - self.low) / (self.high - self.low) - 1
        distance = jnp.sum(jnp.square(scaled - self.support), -1)
        return jnp.sum(self.weight * jnp.exp(-self.gamma * distance)) + self.offset


@functools.cache
def _bundled() -> Regressor:
    path = resources.files("jaxrestore") / "weights" / "brisque.safetensors"
    return Regressor(**load(path.read_bytes()))  # type: ignore[arg-type]


def brisque(image: ArrayLike) -> jax.Array:
    """No-reference score of one image: about 0 (natural) to 100 (distorted).

    36 statistics of the luminance (`brisque_features.features`) through a support
    vector regression. It equals the Python package `brisque` 0.2.0, whose regression
    is bundled (Apache-2.0). From the authors' Matlab code that package differs in the
    half-size image (not antialiased), in the fit of the first two features and in
    the regression, so that scores compare with one implementation alone.

    Args:
        image: (H, W, 1 or 3), at least 16x16, clipped to [0, 1] here and not rounded.
            The authors' statistics are meant for photographs of some 100,000 pixels.

    Returns:
        Scalar; the regression extrapolates, so it may leave [0, 100].

    Raises:
        InputError: not an image of one or three channels on the scale 0..1, or too
            small.
    """
    image = as_image("brisque", image, _LEAST)
    if image.shape[-1] not in (1, 3):
        raise InputError(
            f"brisque: image has shape {image.shape}, expected (H, W, 1) or (H, W, 3)"
        )
    return _score(image, _bundled())


@jax.jit
def _score(image: jax.Array, regressor: Regressor) -> jax.Array:
    return regressor(features(jnp.clip(image, 0, 1)))
