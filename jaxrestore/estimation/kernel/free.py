"""Kernels of any form, from coarse to fine."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from jaxrestore.estimation.kernel.simplex import centred, without_dust
from jaxrestore.estimation.kernel.sparse import (
    Gradients,
    kernel_step,
    latent_step,
    noise_levels,
)

_RATIO = 2**0.5  # between the sides of two scales
_DUST = 0.03
_LEAST_NOISE = 0.1  # of coarse scales, as a part of the finest one's


def free_kernel(
    image: np.ndarray,
    noise: float,
    size: int,
    report: Callable[[str], None] = lambda text: None,
) -> np.ndarray:
    """Lower E(k) of `sparse` over kernels of a size, by alternating steps.

    The image is reduced until the kernel has 3 x 3 pixels; each scale starts from the
    enlarged kernel of the one before.

    Args:
        image: (h, w) in [0, 1].
        noise: variance s of the gradients.
        size: odd side of the kernel.
        report: is told which scale begins.

    Returns:
        (size, size), on the simplex, its centre of mass in the middle.
    """
    kernel = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 8
    for side in sides(size):
        report(f"free kernel, {side}x{side}")
        factor = side / size
        kernel = _enlarged(kernel, side)
        kernel = _refined(
            _reduced(image, factor), kernel, noise * max(factor**2, _LEAST_NOISE)
        )
    return kernel


def sides(size: int) -> list[int]:
    """The odd sides of the scales, from 3 to size."""
    found = [size]
    while found[-1] > 3:
        side = int(found[-1] / _RATIO)
        found.append(max(3, side - (1 - side % 2)))
    return found[::-1]


def _refined(image: np.ndarray, kernel: np.ndarray, noise: float) -> np.ndarray:
    seen = Gradients(image, kernel.shape[0] // 2 + 1)
    state = seen.start(noise)
    for state.noise in noise_levels(seen, noise):
        state, spread = latent_step(seen, kernel, state)
        kernel = kernel_step(seen, kernel, state, spread)
    return centred(without_dust(kernel, _DUST))


def _reduced(image: np.ndarray, factor: float) -> np.ndarray:
    if factor == 1:
        return image
    smooth = ndimage.gaussian_filter(image, 0.5 * (factor**-2 - 1) ** 0.5)
    lines = [(np.arange(int(s * factor)) + 0.5) / factor - 0.5 for s in image.shape]
    where = np.meshgrid(*lines, indexing="ij")
    return ndimage.map_coordinates(smooth, where, order=1, mode="nearest")


def _enlarged(kernel: np.ndarray, side: int) -> np.ndarray:
    old = kernel.shape[0]
    line = (np.arange(side) - side // 2) * old / side + old // 2
    where = np.meshgrid(line, line, indexing="ij")
    kernel = ndimage.map_coordinates(kernel, where, order=1)
    return centred(kernel / kernel.sum())
