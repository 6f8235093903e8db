"""Operators that keep, scale or drop single pixels."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.operators.base import Diagonal
from jaxrestore.operators.fill import smooth_fill
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True, eq=False)
class Identity(Diagonal):
    """A x = x: denoising."""

    def __call__(self, x):
        return x

    def adjoint(self, y):
        return y

    def unknown_boundary(self, observed_shape, multiple_of=1):
        return self


@pytree
@dataclass(frozen=True, eq=False)
class Mask(Diagonal):
    """Pixelwise product: inpainting.

    What a measurement holds where the mask is zero (even NaN) is never used.

    Attributes:
      mask: (H, W, 1) or (H, W, C), 1 where a pixel is observed and 0 where it is
        missing; other finite values scale the pixel.
    """

    mask: jax.Array

    def __call__(self, x):
        self._check_size(x.shape)
        return x * self.mask.astype(x.dtype)

    def adjoint(self, y):
        return self(self.clean(y))

    def clean(self, y):
        self._check_size(y.shape)
        return jnp.where(self.mask != 0, y, 0)

    def initial_image(self, y):
        observed = self.mask != 0
        values = self.clean(y) / jnp.where(observed, self.mask, 1).astype(y.dtype)
        return smooth_fill(values, jnp.broadcast_to(observed, y.shape))

    def unknown_boundary(self, observed_shape, multiple_of=1):
        return self

    def validate(self):
        mask = np.asarray(self.mask)
        if not np.isfinite(mask).all():
            raise InputError(
                "mask holds NaN or infinite values; expected 1 (observed) and 0 "
                "(missing); repair the mask"
            )
        if not mask.any():
            raise InputError(
                "mask is zero everywhere; expected at least one observed pixel (1); "
                "check that it is not inverted"
            )

    def _check_size(self, shape):
        mask_shape = jnp.shape(self.mask)
        if mask_shape != tuple(shape) and mask_shape != (*shape[:2], 1):
            raise InputError(
                f"mask has shape {mask_shape} but the image {tuple(shape)}; expected "
                "(H, W, 1) or (H, W, C) of the image's size; resize the mask with "
                "nearest-neighbour interpolation"
            )


@pytree
@dataclass(frozen=True, eq=False)
class Crop(Diagonal):
    """Keeps the inner part of a canvas and drops its margins.

    Attributes:
      margins: (top, bottom, left, right), in pixels, >= 0.
    """

    margins: tuple[int, int, int, int] = field(metadata={"static": True})

    def __call__(self, x):
        top, bottom, left, right = self.margins
        height, width = x.shape[0] - bottom, x.shape[1] - right
        if height <= top or width <= left:
            raise InputError(
                f"margins {self.margins} leave nothing of a canvas of "
                f"{x.shape[0]}x{x.shape[1]}; expected a larger canvas or smaller "
                "margins (top, bottom, left, right)"
            )
        return x[top:height, left:width]

    def input_shape(self, measurement_shape):
        top, bottom, left, right = self.margins
        height, width, channels = measurement_shape
        return height + top + bottom, width + left + right, channels

    def initial_image(self, y):
        top, bottom, left, right = self.margins
        return jnp.pad(y, ((top, bottom), (left, right), (0, 0)), mode="edge")

    def visible(self, image, scale=1):
        top, bottom, left, right = (round(margin * scale) for margin in self.margins)
        return Crop((top, bottom, left, right))(image)

    def validate(self):
        if len(self.margins) != 4 or min(self.margins) < 0:
            raise InputError(
                f"margins={self.margins}; expected four numbers >= 0 "
                "(top, bottom, left, right)"
            )
