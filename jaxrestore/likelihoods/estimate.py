"""Blind estimate of the standard deviation of white noise in an image."""

import numpy as np
from scipy import ndimage

_ROOT3 = np.sqrt(3.0)
# Daubechies' four-tap high-pass filter: two vanishing moments, unit norm.
_HIGH_PASS = np.array([1 - _ROOT3, _ROOT3 - 3, 3 + _ROOT3, -1 - _ROOT3])
_HIGH_PASS = _HIGH_PASS / np.linalg.norm(_HIGH_PASS)
_NORMAL_MEDIAN = 0.6744897501960817
_FEWEST_COEFFICIENTS = 64


def estimate_noise_std(
    image: np.ndarray, observed: np.ndarray | None = None
) -> float | None:
    """Donoho's robust estimate from the finest diagonal wavelet coefficients.

    median |d| / 0.6745 over the coefficients d = (g g') * image with Daubechies'
    four-tap high-pass g: the noise passes with its own standard deviation, smooth
    content does not pass. Blur lowers the content further and keeps the estimate
    sound; a very sharp, finely textured image makes it too large.

    Args:
        image: (H, W, C) with white noise of one level in every channel. Channels
            are estimated apart and averaged.
        observed: (H, W, 1) or (H, W, C), non-zero where the pixel was seen, or
            None for all. Coefficients that touch an unseen pixel are left out.

    Returns:
        The standard deviation in the image's own units, or None when fewer than 64
        coefficients of some channel are left to look at.
    """
    seen = np.ones(image.shape, bool)
    if observed is not None:
        seen = np.broadcast_to(np.asarray(observed) != 0, image.shape)
    levels = []
    for channel in range(image.shape[-1]):
        inside = seen[..., channel]
        coefficients = np.where(inside, image[..., channel], 0.0).astype(np.float64)
        for axis in (0, 1):
            coefficients = _valid(ndimage.convolve1d, coefficients, axis)
            inside = _valid(ndimage.minimum_filter1d, inside, axis)
        coefficients = np.abs(coefficients[inside])
        if coefficients.size < _FEWEST_COEFFICIENTS:
            return None
        levels.append(np.median(coefficients) / _NORMAL_MEDIAN)
    return float(np.mean(levels))


def _valid(filter1d, array: np.ndarray, axis: int) -> np.ndarray:
    """Applies a four-tap filter along an axis and keeps its valid region."""
    kind = _HIGH_PASS if filter1d is ndimage.convolve1d else len(_HIGH_PASS)
    filtered = filter1d(array, kind, axis=axis)
    return filtered.take(range(2, array.shape[axis] - 1), axis=axis)
