"""The set that kernels live in: weights that are not negative and sum to one."""

import numpy as np
from scipy import ndimage


def project_simplex(values: np.ndarray) -> np.ndarray:
    """Minimise ||k - values||^2 over k >= 0 with sum k = 1.

    The minimiser is max(values - t, 0) for the one t that makes the sum one; t follows
    exactly from the sorted values.

    Args:
        values: any shape, finite.

    Returns:
        Minimiser, of the same shape, float64.
    """
    flat = np.asarray(values, np.float64).ravel()
    falling = np.sort(flat)[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, flat.size + 1)
    kept = np.count_nonzero(falling > excess)
    return np.maximum(flat - excess[kept - 1], 0).reshape(np.shape(values))


def without_dust(kernel: np.ndarray, threshold: float) -> np.ndarray:
    """Sets weights below threshold * maximum, and specks, to zero; sum one again.

    A speck is an island of weights (8-neighbours) with less than a tenth of the sum.
    """
    kept = np.where(kernel >= threshold * kernel.max(), kernel, 0)
    islands = np.zeros(kernel.shape, int)
    ndimage.label(kept, np.ones((3, 3)), islands)
    masses = np.bincount(islands.ravel(), kept.ravel())
    kept[masses[islands] < 0.1 * kept.sum()] = 0
    return kept / kept.sum()


def centred(kernel: np.ndarray) -> np.ndarray:
    """Moves the centre of mass to shape // 2 by whole pixels; sum one again."""
    mass = ndimage.center_of_mass(kernel)
    steps = [round(s // 2 - m) for s, m in zip(kernel.shape, mass, strict=True)]
    moved = ndimage.shift(kernel, steps, order=0)
    return moved / moved.sum()
