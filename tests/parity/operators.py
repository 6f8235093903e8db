"""The released VBLE's degradations, whose borders are not ours."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrestore.operators import Mask, Operator
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True, eq=False)
class Reflected(Operator):
    """True convolution with a kernel, the border pixel not repeated."""

    kernel: jax.Array

    def __call__(self, x):
        sides = [(n // 2, n // 2) for n in self.kernel.shape]
        padded = jnp.pad(x, (*sides, (0, 0)), mode="reflect")
        flipped = jnp.flip(self.kernel)[..., None, None]
        layout = ("NHWC", "HWIO", "NHWC")
        each = lax.conv_general_dilated(
            padded.transpose(2, 0, 1)[..., None],
            flipped,
            (1, 1),
            "VALID",
            dimension_numbers=layout,
        )
        return each[..., 0].transpose(1, 2, 0)


@pytree
@dataclass(frozen=True, eq=False)
class Shrunk(Operator):
    """Matlab's imresize by a whole factor: bicubic, antialiased, borders mirrored."""

    rows: jax.Array
    columns: jax.Array

    @classmethod
    def create(cls, height, width, factor):
        return cls(_weights(height, factor), _weights(width, factor))

    def __call__(self, x):
        return jnp.einsum("ih,hwc,jw->ijc", self.rows, x, self.columns)

    def input_shape(self, measurement_shape):
        channels = measurement_shape[2]
        return (self.rows.shape[1], self.columns.shape[1], channels)


def _weights(size, factor):
    weights = np.zeros((size // factor, size))
    for i in range(size // factor):
        centre = (i + 0.5) * factor - 0.5
        taps = np.arange(int(centre) - 3 * factor, int(centre) + 3 * factor + 2)
        t = np.abs(taps - centre) / factor
        near, far = (1.5 * t - 2.5) * t * t + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2
        values = np.where(t < 1, near, np.where(t < 2, far, 0))
        folded = taps % (2 * size)
        folded = np.where(folded < size, folded, 2 * size - 1 - folded)
        np.add.at(weights[i], folded, values / values.sum())
    return jnp.asarray(weights, jnp.float32)


def operator(problem, stored, size, factor=0):
    """The operator of a stored problem on images of a size."""
    if problem == "deblur":
        return Reflected(jnp.asarray(stored["kernel"]))
    if problem == "inpainting":
        return Mask(jnp.asarray(np.moveaxis(stored["mask"], 0, -1)))
    return Shrunk.create(*size, factor)
