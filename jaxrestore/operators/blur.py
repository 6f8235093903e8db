"""Blur by periodic convolution."""

from dataclasses import dataclass

import jax
import numpy as np

from jaxrestore.operators.base import LinearOperator, is_uniform
from jaxrestore.operators.canvas import on_canvas
from jaxrestore.operators.fourier import (
    filter_image,
    irfft2,
    power,
    rfft2,
    transfer_function,
)
from jaxrestore.operators.kernels import normalise
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True, eq=False)
class Blur(LinearOperator):
    """True convolution with a kernel, the same for all channels, periodic boundary.

    (A x)[i] = sum_j kernel[j] x[(i - (j - kernel.shape // 2)) mod image size]

    Attributes:
      kernel: (kh, kw), any parity, at most the image's size; sums to 1 for images in
        [0, 1] (see `jaxrestore.operators.kernels`).
    """

    kernel: jax.Array
    closed_form = True

    def __call__(self, x):
        return filter_image(x, self._transfer(x))

    def adjoint(self, y):
        return filter_image(y, self._transfer(y).conj())

    def solve_normal(self, rhs, weight, start=None):
        if not is_uniform(weight):
            return super().solve_normal(rhs, weight, start)
        return filter_image(rhs, 1 / (power(self._transfer(rhs)) + weight))

    def solve_gram(self, residual, weight):
        return self.solve_normal(residual, weight)

    def tikhonov(self, y, centre, weight):
        if not is_uniform(weight):
            return super().tikhonov(y, centre, weight)
        transfer = self._transfer(centre)
        spectrum = rfft2(centre)
        gain = transfer.conj() / (power(transfer) + weight)
        spectrum += gain * (rfft2(y) - transfer * spectrum)
        return irfft2(spectrum, centre.shape[:2]).astype(centre.dtype)

    def initial_image(self, y):
        return y

    def unknown_boundary(self, observed_shape, multiple_of=1):
        return on_canvas(self, observed_shape, multiple_of)

    def validate(self):
        normalise(np.asarray(self.kernel))

    def _transfer(self, image):
        return transfer_function(self.kernel, image.shape[:2], image.dtype)
