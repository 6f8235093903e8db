"""Smooth filling of missing pixels."""

import jax
import jax.numpy as jnp

from jaxrestore.operators.fourier import filter_image, transfer_function

_DISTANCE_POWER = 3.0
_TINY = 1e-6


def smooth_fill(values: jax.Array, observed: jax.Array) -> jax.Array:
    """Keeps observed pixels and fills the others by inverse-distance weighting.

    A missing pixel becomes the mean of all observed pixels of its channel with
    weights 1 / distance^3 (Shepard's interpolation), so holes of any size and shape
    are filled in two FFT convolutions. A channel without observed pixels becomes 0.5.

    Args:
      values: (H, W, C), finite, zero where nothing was observed.
      observed: (H, W, C), bool.
    """
    height, width, channels = values.shape
    kernel = _distance_kernel(height, width).astype(values.dtype)
    # Twice the size, so that opposite borders do not see each other.
    size = 2 * height, 2 * width
    planes = jnp.concatenate([values, observed.astype(values.dtype)], axis=-1)
    planes = jnp.pad(planes, ((0, height), (0, width), (0, 0)))
    smoothed = filter_image(planes, transfer_function(kernel, size, values.dtype))
    total, weight = jnp.split(smoothed[:height, :width], [channels], axis=-1)
    # Far from every observed pixel rounding dominates: stay in the observed range.
    lowest = jnp.min(values, axis=(0, 1), where=observed, initial=jnp.inf)
    highest = jnp.max(values, axis=(0, 1), where=observed, initial=-jnp.inf)
    fill = jnp.clip(total / jnp.maximum(weight, _TINY), lowest, highest)
    fill = jnp.where(observed.any(axis=(0, 1)), fill, 0.5)
    return jnp.where(observed, values, fill)


def _distance_kernel(height: int, width: int) -> jax.Array:
    rows = jnp.arange(2 * height)[:, None] - height
    columns = jnp.arange(2 * width)[None, :] - width
    squared = jnp.maximum(rows**2 + columns**2, 1).astype(jnp.float32)
    return squared ** (-_DISTANCE_POWER / 2)
