"""What the metrics ask of images; types and shapes of traced ones, values too else."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrestore.errors import InputError


def as_image(name: str, image: Any, least: int = 1, what: str = "image") -> jax.Array:
    """One image as an array of float32 (float64 stays).

    Args:
        name: of the metric, for messages.
        image: (H, W, C) in [0, 1], not clipped here.
        least: pixels along each side.
        what: which of its arguments.

    Raises:
        InputError: integers, values of 0..255, another shape, or too small.
    """
    image = as_float(name, image, what)
    if image.ndim != 3:
        raise InputError(
            f"{name}: {what} has shape {image.shape}, expected (H, W, C); batches go"
            " through jax.vmap"
        )
    if min(image.shape[:2]) < least:
        raise InputError(
            f"{name}: {what} is {image.shape[0]}x{image.shape[1]}, expected at least"
            f" {least}x{least}; compare larger images"
        )
    if not isinstance(image, Tracer) and _of_bytes(np.asarray(image)):
        raise InputError(
            f"{name}: {what} has values up to {float(jnp.max(image)):g}, expected"
            " [0, 1]; divide it by 255"
        )
    return image


def as_pair(
    name: str, image: Any, reference: Any, least: int = 1
) -> tuple[jax.Array, jax.Array]:
    """Both images, see `as_image`.

    Raises:
        InputError: as there, or the shapes differ.
    """
    if jnp.shape(image) != jnp.shape(reference) or jnp.ndim(image) != 3:
        raise InputError(
            f"{name}: image and reference have shapes {jnp.shape(image)} and"
            f" {jnp.shape(reference)}, expected the same (H, W, C); batches go through"
            " jax.vmap"
        )
    first = as_image(name, image, least)
    return first, as_image(name, reference, least, "reference")


def as_float(name: str, array: Any, what: str) -> jax.Array:
    """An array of any shape in float32 at least.

    Raises:
        InputError: it is not of floating-point numbers.
    """
    array = jnp.asarray(array)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputError(
            f"{name}: {what} is of type {array.dtype}, expected floating-point numbers"
            " in [0, 1]; divide 8-bit values by 255"
        )
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _of_bytes(image: np.ndarray) -> bool:
    """Whether values are on the scale 0..255; a solver's that diverged is not."""
    return bool(image.min() >= 0 and image.mean() > 1.5 and image.max() <= 255)
