"""The strong edges of a photograph behind a known blur, and what they say of it.

Two steps that alternate, after the idea of Xu, Zheng and Jia (Unnatural L0 sparse
representation, CVPR 2013): few strong edges survive in the latent image, and the kernel
is what leads from them to the edges that were observed.
"""

import numpy as np
from scipy import fft, ndimage

from jaxrestore.estimation.kernel.simplex import project_simplex
from jaxrestore.operators import fast_fft_size

_RIDGE = 16.0 / (297 * 457)  # per pixel, in squared units of the image
_LAST_WEIGHT = 1e3  # of the coupling between gradients and image
_USEFUL = 0.3  # least part of the gradients near a pixel that do not cancel out
_FLAT = 1 / 255  # gradients that count as none there
_BORDER = 2  # pixels at the rim whose gradients are not looked at


class Photograph:
    """A photograph on a larger torus, which continues it smoothly.

    Args:
        image: (h, w) in [0, 1].
        size: side of the kernels.

    Attributes:
        pixels: (H, W) float32, the photograph in its upper left corner.
        usable: (H, W) booleans: where edges help to find a kernel of this size. In the
            r-map of Xu and Jia (2010), gradients of objects narrower than the kernel
            cancel out.
    """

    def __init__(self, image: np.ndarray, size: int):
        self.pixels = _continued(_continued(image, size).T, size).T.astype(np.float32)
        self.shape = self.pixels.shape
        self.transform = _forward(self.pixels)
        rows, columns = (np.exp(2j * np.pi * fft.fftfreq(s)) - 1 for s in self.shape)
        self._across = columns[None, : self.shape[1] // 2 + 1].astype(np.complex64)
        self._down = rows[:, None].astype(np.complex64)
        self.laplacian = abs(self._across) ** 2 + abs(self._down) ** 2
        self.usable = np.zeros(self.shape, bool)
        height, width = image.shape
        self.usable[_BORDER : height - _BORDER, _BORDER : width - _BORDER] = True
        self.usable &= _coherence(gradients(self.pixels), size) > _USEFUL

    def transfer(self, kernel: np.ndarray) -> np.ndarray:
        """Fourier transform of a kernel with its centre at shape // 2."""
        padded = np.zeros(self.shape, np.float32)
        padded[: kernel.shape[0], : kernel.shape[1]] = kernel
        return _forward(np.roll(padded, [-(s // 2) for s in kernel.shape], (0, 1)))

    def edges(self, kernel: np.ndarray, weight: float) -> np.ndarray:
        """Minimise ||k * x - y||^2 + weight #{i : grad x_i != 0} over images x.

        By splitting: gradients g of their own are coupled by b ||grad x - g||^2, b
        doubling from 2 weight on; g keeps what has |grad x|^2 >= weight / b.

        Returns:
            g, (2, H, W).
        """
        transfer = self.transfer(kernel)
        power = np.abs(transfer) ** 2
        target = transfer.conj() * self.transform
        x, kept, coupling = self.pixels, np.zeros(()), 2 * weight
        while coupling < _LAST_WEIGHT:
            kept = gradients(x)
            kept *= np.sum(kept**2, 0) >= weight / coupling
            across, down = kept
            back = np.roll(across, 1, 1) - across + np.roll(down, 1, 0) - down
            solved = target + coupling * _forward(back)
            solved = solved / (power + coupling * self.laplacian)
            x = _inverse(solved, self.shape)
            coupling *= 2
        return kept

    def kernel(self, edges: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Minimise ||k * g - grad y||^2 + r ||k||^2 over the simplex.

        Args:
            edges: g, (2, H, W); the usable ones are taken.
            start: (kh, kw), what the search begins with.
        """
        across, down = (_forward(g) for g in edges * self.usable)
        power = np.abs(across) ** 2 + np.abs(down) ** 2
        cross = self._across * across.conj() + self._down * down.conj()
        lags = np.indices(start.shape).reshape(2, -1).T
        apart = lags[:, None] - lags[None]
        power = _inverse(power, self.shape)
        matrix = power[apart[..., 0], apart[..., 1]].astype(np.float64)
        matrix[np.diag_indices_from(matrix)] += _RIDGE * self.pixels.size
        cross = _inverse(cross * self.transform, self.shape)
        lags = lags - np.array(start.shape) // 2
        target = cross[lags[:, 0], lags[:, 1]].astype(np.float64)
        return _on_simplex(matrix, target, start.ravel()).reshape(start.shape)


def _forward(x: np.ndarray) -> np.ndarray:
    return np.asarray(fft.rfft2(x))


def _inverse(transform: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.asarray(fft.irfft2(transform, shape))


def gradients(image: np.ndarray) -> np.ndarray:
    """Forward differences on the torus, across and down, (2, H, W)."""
    return np.stack([np.roll(image, -1, 1) - image, np.roll(image, -1, 0) - image])


def _continued(image: np.ndarray, size: int) -> np.ndarray:
    """With more rows below, which lead smoothly back to the first ones."""
    height = image.shape[0]
    more = fast_fft_size(height + 2 * size) - height
    line = (np.arange(more)[:, None] + 0.5) / more
    fade = line**2 * (3 - 2 * line)
    below = image[::-1][np.minimum(np.arange(more), height - 1)]
    above = image[np.minimum(np.arange(more)[::-1], height - 1)]
    return np.concatenate([image, (1 - fade) * below + fade * above])


def _coherence(slopes: np.ndarray, size: int) -> np.ndarray:
    """|mean gradient| / mean |gradient| in windows of a size; little where flat."""

    def mean(values):
        return ndimage.uniform_filter(values, size, mode="wrap")

    lengths = mean(np.hypot(*slopes))
    return np.hypot(*(mean(part) for part in slopes)) / (lengths + _FLAT)


def _on_simplex(matrix: np.ndarray, target: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Minimise k' M k / 2 - t' k over the simplex, by accelerated projections."""
    vector = np.ones(len(matrix))
    for _ in range(10):  # towards the largest eigenvalue
        vector = matrix @ (vector / np.linalg.norm(vector))
    step = 0.98 / np.linalg.norm(vector)
    ahead, momentum = k, 1.0
    for _ in range(100):
        new = project_simplex(ahead - step * (matrix @ ahead - target))
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / grown * (new - k)
        k, momentum = new, grown
    return k
