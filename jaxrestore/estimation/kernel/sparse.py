"""Evidence of a kernel under sparse gradients, and the steps that raise it.

The gradients x of the sharp photograph (two differences, all pixels i) are Gaussian
with variances of their own, y = k * x + noise. Integrating x out with a diagonal
posterior covariance, and maximising over the variances, leaves (Wipf and Zhang,
Revisiting Bayesian blind deconvolution, JMLR 2014; Levin et al. 2011 take mixtures)

    E(k) = min_(x, g)  ||y - k * x||^2 / s
                       + sum_i ( x_i^2 / g_i + log(s + g_i ||k||^2) )

per observed gradient, with s the noise variance of the gradients. The term in ||k||^2
is what keeps the delta kernel from winning, as it does without integrating x out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

from jaxrestore.operators import fast_fft_size

_CG_STEPS = 4
_ROUNDS, _FALL = 19, 13
_FIRST_NOISE = 6.0  # of the mean square of the observed gradients


def _forward(x: np.ndarray) -> np.ndarray:
    return np.asarray(fft.rfft2(x))


def _inverse(transform: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.asarray(fft.irfft2(transform, shape))


@dataclass
class State:
    """Where the alternation stands.

    Attributes:
        x: latent gradients, (2, h, w), the observed ones in their middle.
        variances: g, of the same shape.
        noise: s.
    """

    x: np.ndarray
    variances: np.ndarray
    noise: float


class Gradients:
    """Observed gradients y on a canvas with a margin that nothing is known of.

    Args:
        image: (h, w) float.
        margin: pixels around it, half a kernel at least.
    """

    def __init__(self, image: np.ndarray, margin: int):
        rows, columns = np.diff(image, axis=0)[:, :-1], np.diff(image, axis=1)[:-1]
        y = np.stack([rows, columns]).astype(np.float32)
        self.sides = y.shape[1:]
        height, width = (s + 2 * margin for s in self.sides)
        self.shape = fast_fft_size(height), fast_fft_size(width)
        inside = (
            slice(None),
            *(slice(margin, margin + side) for side in self.sides),
        )
        self.y = np.zeros((2, *self.shape), np.float32)
        self.y[inside] = y
        self.mask = np.zeros((1, *self.shape), np.float32)
        self.mask[inside] = 1
        self.power = float(np.mean(y**2))
        self.count = y.size

    def start(self, noise: float) -> State:
        """The observed gradients themselves."""
        return State(self.y.copy(), self.y**2 + noise, noise)

    def transfer(self, kernel: np.ndarray) -> np.ndarray:
        """Fourier transform of a kernel with its centre at shape // 2."""
        padded = np.zeros(self.shape, np.float32)
        padded[: kernel.shape[0], : kernel.shape[1]] = kernel
        shift = [-(side // 2) for side in kernel.shape]
        return _forward(np.roll(padded, shift, (0, 1)))

    def convolve(self, x: np.ndarray, transfer: np.ndarray) -> np.ndarray:
        return _inverse(_forward(x) * transfer, self.shape)


def latent_step(
    seen: Gradients, kernel: np.ndarray, state: State
) -> tuple[State, np.ndarray]:
    """Lowers E over x by conjugate gradients, then over g in closed form.

    Returns:
        The new state; the posterior variances of x, (2, h, w).
    """
    transfer = seen.transfer(kernel)
    squares = np.maximum(seen.convolve(seen.mask, seen.transfer(kernel**2).conj()), 0)
    curvature = squares / state.noise + 1 / state.variances

    def normal(x):
        back = seen.mask * seen.convolve(x, transfer) / state.noise
        return seen.convolve(back, transfer.conj()) + x / state.variances

    target = seen.convolve(seen.y, transfer.conj()) / state.noise
    x = _conjugate_gradients(normal, target, state.x, 1 / curvature)
    spread = 1 / curvature
    return State(x, x**2 + spread + 1e-12, state.noise), spread


def energy(seen: Gradients, kernel: np.ndarray, state: State) -> float:
    """E(k) at the state's x and g, per observed gradient."""
    residual = seen.y - seen.mask * seen.convolve(state.x, seen.transfer(kernel))
    misfit = np.sum(residual**2, dtype=np.float64) / state.noise
    weight = np.sum(kernel**2)
    inside = seen.mask[0] > 0
    x, g = state.x[:, inside], state.variances[:, inside]
    prior = np.sum(x**2 / g + np.log(state.noise + g * weight), dtype=np.float64)
    return float((misfit + prior) / seen.count)


def noise_levels(seen: Gradients, noise: float) -> list[float]:
    """Falling noise variances for the rounds; the last third has the given one.

    Early rounds then see strong edges alone, which is what keeps the alternation from
    explaining noise and texture by a spike in the middle of the kernel.
    """
    start = max(noise, _FIRST_NOISE * seen.power)
    parts = np.arange(_ROUNDS) / _FALL
    return np.maximum(noise, start * (noise / start) ** parts).tolist()


def evidence(seen: Gradients, kernel: np.ndarray, noise: float) -> float:
    """E(k), lower is better, after `latent_step` at falling noise variances."""
    state = seen.start(noise)
    for state.noise in noise_levels(seen, noise)[::3]:
        state, _ = latent_step(seen, kernel, state)
    return energy(seen, kernel, state)


def _conjugate_gradients(
    normal: Callable, target: np.ndarray, x: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Some steps towards normal(x) = target, preconditioned by the diagonal scale."""
    residual = target - normal(x)
    solved = scale * residual
    direction, product = solved, np.vdot(residual, solved)
    for _ in range(_CG_STEPS):
        image = normal(direction)
        length = product / max(np.vdot(direction, image), 1e-30)
        x = x + length * direction
        residual = residual - length * image
        solved = scale * residual
        previous, product = product, np.vdot(residual, solved)
        direction = solved + product / max(previous, 1e-30) * direction
    return x
