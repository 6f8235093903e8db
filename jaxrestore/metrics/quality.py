"""PSNR and SSIM in pure JAX, for one image; batches by `jax.vmap`.

The protocol: both images are clipped to [0, 1], nothing is rounded, no border is
left out, and colour images are compared in colour (no luminance).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

_WINDOW = 11
_WINDOW_STD = 1.5
_C1 = 0.01**2
_C2 = 0.03**2


@jax.jit
def psnr(image: ArrayLike, reference: ArrayLike) -> jax.Array:
    """Peak signal-to-noise ratio, -10 log10(mean squared error), peak 1.

    Args:
        image: (H, W, C), clipped to [0, 1] here.
        reference: same shape.

    Returns:
        Scalar in dB, the mean taken over all pixels and channels jointly;
        infinite for equal images.

    Raises:
        ValueError: The shapes differ.
    """
    image, reference = _clip_pair(image, reference)
    return -10.0 * jnp.log10(jnp.mean(jnp.square(image - reference)))


@jax.jit
def ssim(image: ArrayLike, reference: ArrayLike) -> jax.Array:
    """Structural similarity of Wang et al. (2004).

    Gaussian window 11x11 of standard deviation 1.5, valid region only, constants
    (0.01)^2 and (0.03)^2, population covariances, per channel and then averaged.

    Args:
        image: (H, W, C), at least 11x11, clipped to [0, 1] here.
        reference: same shape.

    Returns:
        Scalar in [-1, 1].

    Raises:
        ValueError: The shapes differ or a side is shorter than 11.
    """
    image, reference = _clip_pair(image, reference)
    if min(image.shape[0], image.shape[1]) < _WINDOW:
        raise ValueError(
            f"ssim: image is {image.shape[0]}x{image.shape[1]}, expected at least"
            f" {_WINDOW}x{_WINDOW}; compare larger images"
        )
    # Second moments lose digits in bright flat regions; around 1/2 they lose fewer.
    x, y = image - 0.5, reference - 0.5
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    var_x = _window_mean(x * x) - mean_x**2
    var_y = _window_mean(y * y) - mean_y**2
    covariance = _window_mean(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + 0.5, mean_y + 0.5
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    return jnp.mean(luminance * structure)


def _clip_pair(image, reference):
    image, reference = jnp.asarray(image), jnp.asarray(reference)
    if image.shape != reference.shape or image.ndim != 3:
        raise ValueError(
            f"image and reference have shapes {image.shape} and {reference.shape},"
            " expected the same (H, W, C); batches go through jax.vmap"
        )
    return jnp.clip(image, 0, 1), jnp.clip(reference, 0, 1)


def _window_mean(x: jax.Array) -> jax.Array:
    """Separable Gaussian window, valid region: (H, W, C) -> (H-10, W-10, C).

    Sums of shifted views instead of a convolution, which accelerators may compute
    in reduced precision.
    """
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _WINDOW_STD**2))
    weights = [float(w) for w in weights / weights.sum()]
    for axis in (0, 1):
        length = x.shape[axis] - _WINDOW + 1
        x = sum(
            w * jax.lax.slice_in_dim(x, i, i + length, axis=axis)
            for i, w in enumerate(weights)
        )  # pyright: ignore[reportAssignmentType]
    return x
