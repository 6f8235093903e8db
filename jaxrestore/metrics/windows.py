"""Weighted means over a sliding window, and checks of the images to compare."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError


def gaussian_weights(size: int, std: float) -> list[float]:
    """Samples of a centred Gaussian, `size` (odd) of them, that sum to 1."""
    offsets = np.arange(size) - size // 2
    weights = np.exp(-(offsets**2) / (2 * std**2))
    return [float(w) for w in weights / weights.sum()]


def filter_valid(
    x: jax.Array, weights: Sequence[float], stride: int = 1, axes=(0, 1)
) -> jax.Array:
    """Correlates with the same weights along every axis, valid region only.

    Args:
        x: (H, W, ...).
        weights: n of them.
        stride: keeps every stride-th result, from the first on.
        axes: which to filter.

    Returns:
        (H', W', ...) with H' = (H - n) // stride + 1.
    """
    kernel = jnp.asarray(weights, x.dtype)[:, None, None]
    for axis in axes:
        lines = jnp.moveaxis(x, axis, -1)
        filtered = jax.lax.conv_general_dilated(
            lines.reshape(-1, lines.shape[-1], 1),
            kernel,
            (stride,),
            "VALID",
            dimension_numbers=("NWC", "WIO", "NWC"),
            precision=jax.lax.Precision.HIGHEST,
        )
        x = jnp.moveaxis(filtered.reshape(*lines.shape[:-1], -1), -1, axis)
    return x


def as_pair(
    name: str, image, reference, least: int = 1, clip: bool = True
) -> tuple[jax.Array, jax.Array]:
    """Both images as arrays, clipped to [0, 1] unless `clip` is False.

    Raises:
        InputError: the shapes differ, are not (H, W, C), or a side is shorter than
            `least`.
    """
    image, reference = jnp.asarray(image), jnp.asarray(reference)
    if image.shape != reference.shape or image.ndim != 3:
        raise InputError(
            f"{name}: image and reference have shapes {image.shape} and"
            f" {reference.shape}, expected the same (H, W, C); batches go through"
            " jax.vmap"
        )
    check_size(name, image, least)
    if clip:
        image, reference = jnp.clip(image, 0, 1), jnp.clip(reference, 0, 1)
    return image, reference


def check_size(name: str, image: jax.Array, least: int) -> None:
    """Refuse images with a side shorter than `least`.

    Raises:
        InputError: such an image.
    """
    if min(image.shape[:2]) < least:
        raise InputError(
            f"{name}: image is {image.shape[0]}x{image.shape[1]}, expected at least"
            f" {least}x{least}; compare larger images"
        )
