"""Blur followed by decimation: super-resolution."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.operators import kernels
from jaxrestore.operators.base import LinearOperator, is_uniform
from jaxrestore.operators.blur import Blur
from jaxrestore.operators.canvas import on_canvas
from jaxrestore.operators.fourier import (
    filter_image,
    irfft2,
    power,
    rfft2,
    transfer_function,
)
from jaxrestore.pytrees import pytree

_LEAST_SHARE = 1e-6


@pytree
@dataclass(frozen=True, eq=False)
class Downsample(LinearOperator):
    """Periodic convolution, then every factor-th row and column from pixel 0 on.

    AA' is itself a periodic convolution of the small image, with the kernel's
    autocorrelation decimated (its spectrum averages |transfer|^2 over the factor^2
    aliases of a frequency), hence the closed forms.

    Attributes:
      kernel: (kh, kw), centre at shape // 2, sum 1.
      factor: s >= 1, divides height and width of the image.
    """

    kernel: jax.Array
    factor: int = field(metadata={"static": True})
    closed_form = True

    @classmethod
    def bicubic(cls, factor: int) -> "Downsample":
        """Antialiased bicubic reduction, see `kernels.bicubic`."""
        return cls(jnp.asarray(kernels.bicubic(factor)), factor)

    @property
    def scale(self) -> int:  # type: ignore[override]
        return self.factor

    def __call__(self, x):
        s = self.factor
        if x.shape[0] % s or x.shape[1] % s:
            raise InputError(
                f"factor={s} does not divide the image of {x.shape[0]}x{x.shape[1]}; "
                f"expected multiples of {s}; crop the image to "
                f"{x.shape[0] // s * s}x{x.shape[1] // s * s}"
            )
        return _decimated(Blur(self.kernel)(x), s)

    def adjoint(self, y):
        return Blur(self.kernel).adjoint(_spread(y, self.factor))

    def input_shape(self, measurement_shape):
        height, width, channels = measurement_shape
        return height * self.factor, width * self.factor, channels

    def solve_normal(self, rhs, weight, start=None):
        if not is_uniform(weight):
            return super().solve_normal(rhs, weight, start)
        return (rhs - self.adjoint(self.solve_gram(self(rhs), weight))) / weight

    def solve_gram(self, residual, weight):
        return filter_image(residual, 1 / (self._gram(residual) + weight))

    def project(self, y, x):
        """As `LinearOperator.project`, exact but for what the blur all but loses.

        Frequencies of y whose eigenvalue is below 1e-6 of the largest stay as they
        are in x: to divide by less would turn rounding into patterns.
        """
        residual = y - self(x)
        gram = self._gram(residual)
        kept = gram > _LEAST_SHARE * gram.max()
        inverse = jnp.where(kept, 1 / jnp.where(kept, gram, 1), 0)
        return x + self.adjoint(filter_image(residual, inverse))

    def _gram(self, y):
        """Spectrum of AA', (h, w // 2 + 1, 1), for measurements like y."""
        s = self.factor
        size = self.input_shape(y.shape)[:2]
        transfer = transfer_function(self.kernel, size, y.dtype)
        autocorrelation = _decimated(irfft2(power(transfer), size), s)
        # The exact spectrum is not negative; rounding must not make it so.
        return jnp.maximum(rfft2(autocorrelation).real, 0)

    def initial_image(self, y):
        """Bicubic upsampling onto the grid of x (kernel centroid included)."""
        s = self.factor
        pad = 2 + max(self.kernel.shape) // s
        padded = jnp.pad(y, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
        # Small pixel i shows the image at s * i - centroid, not at its block's centre.
        shift = -(s - 1) / 2 - _centroid(self.kernel) - s * pad
        return jax.image.scale_and_translate(
            padded,
            self.input_shape(y.shape),
            spatial_dims=(0, 1),
            scale=jnp.full(2, s, y.dtype),
            translation=shift.astype(y.dtype),
            method="cubic",
            antialias=False,
        )

    def unknown_boundary(self, observed_shape, multiple_of=1):
        return on_canvas(self, observed_shape, multiple_of)

    def validate(self):
        kernels.check_factor(self.factor)
        Blur(self.kernel).validate()


# By blocks, which devices that share the rows of an image have whole.
def _decimated(x: jax.Array, s: int) -> jax.Array:
    """Every s-th row and column, from pixel 0 on."""
    height, width, channels = x.shape
    return x.reshape(height // s, s, width // s, s, channels)[:, 0, :, 0]


def _spread(y: jax.Array, s: int) -> jax.Array:
    """The image with zeros around whose `_decimated` it is."""
    height, width, channels = y.shape
    gap = (0, s - 1)
    blocks = jnp.pad(y[:, None, :, None], ((0, 0), gap, (0, 0), gap, (0, 0)))
    return blocks.reshape(height * s, width * s, channels)


def _centroid(kernel: jax.Array) -> jax.Array:
    """Centre of mass (row, column) relative to the kernel's centre, in pixels."""
    kh, kw = kernel.shape
    rows = jnp.arange(kh) - kh // 2
    columns = jnp.arange(kw) - kw // 2
    moments = jnp.stack([rows @ kernel.sum(1), columns @ kernel.sum(0)])
    return moments / kernel.sum()
