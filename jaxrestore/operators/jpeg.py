"""The linear part of JPEG compression: from an image to its DCT coefficients."""

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from scipy.fft import dct

from jaxrestore.errors import InputError
from jaxrestore.operators.base import LinearOperator
from jaxrestore.pytrees import pytree

BLOCK = 8
_DCT = np.asarray(dct(np.eye(BLOCK), axis=0, norm="ortho"), np.float32)
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114
_LUMA = np.array([_RED, _GREEN, _BLUE])
# JFIF: Cb and Cr are blue and red less luma, scaled to a range of one.
TO_YCBCR = np.stack(
    [
        _LUMA,
        (np.array([0, 0, 1]) - _LUMA) / (2 - 2 * _BLUE),
        (np.array([1, 0, 0]) - _LUMA) / (2 - 2 * _RED),
    ]
).astype(np.float32)
TO_RGB = np.linalg.inv(TO_YCBCR.astype(np.float64)).astype(np.float32)
# EXIF orientation -> (transposed?, rows flipped?, columns flipped?), in this order.
_TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@pytree
@dataclass(frozen=True, eq=False)
class JPEG(LinearOperator):
    """All DCT coefficients of a JPEG file, before they are rounded.

    A = D S E T: colours to YCbCr (T, JFIF), borders repeated up to whole blocks as
    libjpeg does (E), the mean over the pixels that one chroma sample covers (S), and
    the orthonormal 8x8 DCT (D). Measures (blocks, 8, 8), the blocks of Y row by row,
    then those of Cb and Cr. Luma is not shifted by half the range.

    In the metric ||T x||, and for sides of whole blocks, rows are orthogonal: D S S' D'
    is 1 over the number of averaged pixels. `split`, `lift` and their inverses give
    this structure to what solves with it.

    Attributes:
      size: (H, W) as stored in the file.
      factors: for each component the (rows, columns) of pixels that a sample averages.
      orientation: EXIF's, 1 to 8; images x are upright, (W, H, C) from 5 on.
    """

    size: tuple[int, int] = field(metadata={"static": True})
    factors: tuple[tuple[int, int], ...] = field(metadata={"static": True})
    orientation: int = field(default=1, metadata={"static": True})

    def __call__(self, x):
        if x.shape != self._image_shape:
            raise InputError(
                f"image has shape {x.shape}, expected {self._image_shape}, that of the"
                " JPEG; crop neither of them"
            )
        return self.reduce(self.lift(self.split(x)))

    def input_shape(self, measurement_shape):
        return self._image_shape

    def initial_image(self, y):
        """The decoded JPEG, chroma enlarged linearly, not rounded."""
        planes = []
        for plane, (v, h) in zip(self._samples(y), self.factors, strict=True):
            rows, columns = plane.shape
            shape = rows * v, columns * h
            planes.append(jax.image.resize(plane, shape, "linear", antialias=False))
        height, width = self.size
        return self.join(jnp.stack([p[:height, :width] for p in planes], -1))

    def validate(self):
        grey_or_colour = len(self.factors) in (1, 3)
        whole = all(n >= 1 for pair in self.factors for n in pair)
        if not grey_or_colour or not whole or self.orientation not in _TURNS:
            raise InputError(
                f"factors={self.factors}, orientation={self.orientation}; expected one"
                " or three pairs of numbers >= 1, and 1 to 8; take those of a JPEGFile"
            )

    def split(self, x: jax.Array) -> jax.Array:
        """T x: an upright image to YCbCr as stored, (H, W, C)."""
        x = turned(x, self.orientation)
        return x if x.shape[-1] == 1 else x @ TO_YCBCR.T.astype(x.dtype)

    def join(self, colours: jax.Array) -> jax.Array:
        """The inverse of `split`."""
        if colours.shape[-1] == 3:
            colours = colours @ TO_RGB.T.astype(colours.dtype)
        return turned(colours, self.orientation, back=True)

    def lift(self, colours: jax.Array) -> list[jax.Array]:
        """E: the planes of (H, W, C), borders repeated to whole blocks."""
        return [
            colours[rows, :, i][:, columns] if partial else colours[..., i]
            for i, (rows, columns, partial) in enumerate(self._places())
        ]

    def fold(self, planes: list[jax.Array]) -> jax.Array:
        """E^+: the mean of each pixel's repetitions, (H, W, C)."""
        folded = []
        for plane, (rows, columns, partial) in zip(planes, self._places(), strict=True):
            if partial:
                plane = plane / _counts(rows)[rows][:, None]
                plane = plane / _counts(columns)[columns]
                sums = jnp.zeros((self.size[0], plane.shape[1]), plane.dtype)
                sums = sums.at[rows].add(plane)
                plane = jnp.zeros(self.size, plane.dtype).at[:, columns].add(sums)
            folded.append(plane)
        return jnp.stack(folded, -1)

    def shares(self) -> list[jax.Array]:
        """1 over the number of repetitions, for each value of `lift`."""
        return [
            jnp.asarray(1 / np.outer(_counts(rows)[rows], _counts(columns)[columns]))
            for rows, columns, _ in self._places()
        ]

    def reduce(self, planes: list[jax.Array]) -> jax.Array:
        """D S: padded planes to coefficients, (blocks, 8, 8)."""
        blocks = []
        for plane, (v, h) in zip(planes, self.factors, strict=True):
            rows, columns = plane.shape[0] // v, plane.shape[1] // h
            if v * h > 1:
                plane = plane.reshape(rows, v, columns, h).mean((1, 3))
            tiles = plane.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
            tiles = tiles.transpose(0, 2, 1, 3).reshape(-1, BLOCK, BLOCK)
            blocks.append(_DCT @ tiles @ _DCT.T)
        return jnp.concatenate(blocks)

    def enlarge(self, coefficients: jax.Array) -> list[jax.Array]:
        """The pseudo-inverse S^+ D' of `reduce`: each sample to all its pixels."""
        samples = zip(self._samples(coefficients), self.factors, strict=True)
        return [plane.repeat(v, 0).repeat(h, 1) for plane, (v, h) in samples]

    def per_coefficient(self, values) -> np.ndarray:
        """(blocks, 1, 1) with one number of each component."""
        counts = [int(np.prod(grid)) for grid in self._grids()]
        return np.repeat(np.float32(values), counts)[:, None, None]

    @property
    def averaged(self) -> np.ndarray:
        """Of how many pixels each coefficient holds means, (blocks, 1, 1)."""
        return self.per_coefficient([v * h for v, h in self.factors])

    @property
    def _image_shape(self):
        transposed = _TURNS[self.orientation][0]
        return (*(self.size[::-1] if transposed else self.size), len(self.factors))

    def _grids(self):
        """Blocks (down, across) of each component."""
        return [
            tuple(
                math.ceil(n / f / BLOCK) for n, f in zip(self.size, factor, strict=True)
            )
            for factor in self.factors
        ]

    def _places(self):
        """The pixels' rows and columns that each component's padded plane repeats."""
        for grid, factor in zip(self._grids(), self.factors, strict=True):
            (down, across), (v, h) = grid, factor
            rows = np.minimum(np.arange(v * -(-self.size[0] // v)), self.size[0] - 1)
            # libjpeg repeats the last row of samples, but the last column of pixels.
            more = BLOCK * down * v - len(rows)
            rows = np.concatenate([rows, np.resize(rows[-v:], more)])
            columns = np.minimum(np.arange(BLOCK * across * h), self.size[1] - 1)
            yield rows, columns, (len(rows), len(columns)) != self.size

    def _samples(self, coefficients):
        """D': the planes of samples, one for each component."""
        planes, start = [], 0
        for down, across in self._grids():
            tiles = coefficients[start : start + down * across]
            start += down * across
            tiles = (_DCT.T @ tiles @ _DCT).reshape(down, across, BLOCK, BLOCK)
            tiles = tiles.transpose(0, 2, 1, 3)
            planes.append(tiles.reshape(down * BLOCK, across * BLOCK))
        return planes


def turned(x: jax.Array, orientation: int, back: bool = False) -> jax.Array:
    """An upright image (H, W, C) as an EXIF orientation stores it, or back."""
    transposed, *flips = _TURNS[orientation]
    if back and transposed:
        x = x.swapaxes(0, 1)
    for axis, flipped in enumerate(flips):
        x = jnp.flip(x, axis) if flipped else x
    return x.swapaxes(0, 1) if transposed and not back else x


def _counts(places: np.ndarray) -> np.ndarray:
    """How often each pixel is repeated."""
    return np.bincount(places).astype(np.float32)
