"""Kernels of any form, from coarse to fine."""

import numpy as np
from scipy import ndimage

from jaxrestore.estimation.kernel.edges import Photograph
from jaxrestore.estimation.kernel.simplex import centred, without_dust

_RATIO = 2**0.5  # between the sides of two scales
_ROUNDS = 5  # at each scale
# Price of an edge, in squared units of the image: the first one, how it falls with
# every round, the last one. Chosen on validation images.
_PRICE, _FALL, _LAST_PRICE = 4e-3, 1.1, 1e-4
_DUST = 0.01


def free_kernel(image: np.ndarray, size: int, start: np.ndarray) -> np.ndarray:
    """The kernel that explains the strong edges of a photograph.

    The image is reduced until the kernel has 3 x 3 pixels. At each scale `edges` and
    `kernel` of `Photograph` alternate, with a falling price of edges; the next scale
    starts from the enlarged kernel.

    Args:
        image: (h, w) in [0, 1].
        size: odd side of the kernel.
        start: (3, 3), the first kernel.

    Returns:
        (size, size), on the simplex, its centre of mass in the middle.
    """
    kernel, price, factor = start, _PRICE, 3 / size
    for side in sides(size):
        kernel = _enlarged(kernel, side, side / size / factor)
        factor = side / size
        photograph = Photograph(_reduced(image, factor), side)
        for _ in range(_ROUNDS):
            edges = photograph.edges(kernel, price)
            kernel = centred(photograph.kernel(edges, kernel))
            price = max(price / _FALL, _LAST_PRICE)
        kernel = centred(without_dust(kernel, _DUST))
    return kernel


def starts() -> list[np.ndarray]:
    """Two equal weights beside or above each other, (3, 3)."""
    pair = np.array([[0, 0, 0], [0, 0.5, 0.5], [0, 0, 0]])
    return [pair, pair.T]


def sides(size: int) -> list[int]:
    """The odd sides of the scales, from 3 to size."""
    found = [size]
    while found[-1] > 3:
        side = int(found[-1] / _RATIO)
        found.append(max(3, side - (1 - side % 2)))
    return found[::-1]


def _reduced(image: np.ndarray, factor: float) -> np.ndarray:
    if factor == 1:
        return image
    smooth = ndimage.gaussian_filter(image, 0.5 * (factor**-2 - 1) ** 0.5)
    lines = [(np.arange(int(s * factor)) + 0.5) / factor - 0.5 for s in image.shape]
    where = np.meshgrid(*lines, indexing="ij")
    return ndimage.map_coordinates(smooth, where, order=1, mode="nearest")


def _enlarged(kernel: np.ndarray, side: int, factor: float) -> np.ndarray:
    line = (np.arange(side) - side // 2) / factor + kernel.shape[0] // 2
    where = np.meshgrid(line, line, indexing="ij")
    kernel = ndimage.map_coordinates(kernel, where, order=1)
    return centred(kernel / kernel.sum())
