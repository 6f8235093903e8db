"""Noise from pairs of neighbouring pixels, where hardly a whole patch was seen."""

from typing import Any

import numpy as np
from scipy import ndimage

from jaxrestore.estimation.patches import MOST_CLIPPED, clipped_variance

_SIDE = 1500  # pixels; of a larger image, the middle is looked at
_WINDOW: Any = (9, 9, 1)  # places in which the other pairs tell how flat it is here
_FEWEST_AROUND = 4  # of them
_FEWEST = 256  # pairs in all
_FLATTEST = 0.1  # share of the pairs that is measured


def pair_variance(
    image: np.ndarray, ends: np.ndarray, seen: np.ndarray
) -> float | None:
    """Half the mean squared difference of neighbours where the image is flattest.

    (y_i - y_j)^2 / 2 has the noise's variance as its mean, plus half the squared step
    of the clean image: the estimate is too large, the more the more texture. How flat
    a place is, is the mean over the other pairs around it, which share no pixel with
    it: the choice adds no bias of its own. Both are divided by the variance that
    clipping leaves, for the share of clipped values around.

    Args:
        image: (H, W, C).
        ends: (H, W, C), true where a value is at an end of the range.
        seen: (H, W, C), true where it was seen.

    Returns:
        The variance, or None with fewer than 256 pairs.
    """
    sides = image.shape[:2]
    middle = tuple(slice(max(0, (n - _SIDE) // 2), (n + _SIDE) // 2) for n in sides)
    given = image[middle], ends[middle], seen[middle]
    found = []
    for axis in (0, 1):
        values, clipped, inside = (np.moveaxis(array, axis, 0) for array in given)
        found += [_pairs(values, clipped, inside, start) for start in (0, 1)]
    squares, flatness = np.concatenate(found, axis=1)
    if len(squares) < _FEWEST:
        return None
    chosen = np.argsort(flatness)[: max(_FEWEST, int(_FLATTEST * len(squares)))]
    return float(squares[chosen].mean())


def _pairs(image, ends, seen, start: int) -> np.ndarray:
    """Half squared differences of rows start + 2 i and the next, and flatness, (2, n).

    No two of these pairs share a pixel.
    """
    first, second = slice(start, -1, 2), slice(start + 1, None, 2)
    there = seen[first] & seen[second]
    square = np.where(there, (image[first] - image[second]) ** 2 / 2, 0.0)
    share = np.where(there, 0.5 * ends[first] + 0.5 * ends[second], 0.0)
    around, flatness, share = (_others(a)[there] for a in (there, square, share))
    around = np.maximum(around, 0.5)
    share = np.clip(share / around, 0, 1)
    kept = (around >= _FEWEST_AROUND - 0.5) & (share <= MOST_CLIPPED)
    pairs = np.stack([square[there], flatness / around])[:, kept]
    return pairs / clipped_variance(share[kept])


def _others(array: np.ndarray) -> np.ndarray:
    """Sums over the window around each place, without the place itself."""
    array = array.astype(np.float64)
    mean = ndimage.uniform_filter(array, _WINDOW, mode="constant")
    return mean * np.prod(_WINDOW) - array
