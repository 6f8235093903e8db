"""Weighted means over a sliding window."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


def gaussian_weights(size: int, std: float) -> np.ndarray:
    """Samples of a centred Gaussian, `size` (odd) of them, that sum to 1."""
    offsets = np.arange(size) - size // 2
    weights = np.exp(-(offsets**2) / (2 * std**2))
    return weights / weights.sum()


def filter_valid(
    x: jax.Array, weights: ArrayLike, stride: int = 1, axes=(0, 1)
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
