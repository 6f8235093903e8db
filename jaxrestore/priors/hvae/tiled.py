"""Images larger than the network's temporaries may be: tile by tile, without seams."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrestore.errors import InputError
from jaxrestore.priors.base import Reconstruction
from jaxrestore.priors.hvae.patch_vdvae import PatchVDVAE
from jaxrestore.pytrees import pytree

OVERLAP = 10  # strides of the network


@pytree
@dataclass(frozen=True)
class Tiled:
    """A fully convolutional prior that looks at an image tile by tile.

    What `reconstruct` returns is that of the whole image: a tile is larger than the
    part that is kept of it, so that all that the network sees of a kept pixel's
    surroundings is there, and tiles at the image's border end where the image does.
    Hence the fixed-point iteration that calls it has no seams. Each step walks over
    the tiles in one `lax.scan`; temporaries are those of a tile, and the image, the
    mean and the deviation are whole.

    How far a network really looks depends on its weights and on the noise that it is
    told: of patch-vdvae-natural, whose convolutions reach further than 400 pixels, what
    lies 160 pixels away changes no pixel by more than 1e-6 at told noise up to 25/255,
    nor by more than 2e-5 at 73/255 (docs/large_images.md).

    Attributes:
        prior: the network.
        tile: side of a tile in pixels, a multiple of the network's stride.
        overlap: least distance in pixels of a kept pixel from the edge of its tile,
            where that is not the image's; None: 10 strides.
    """

    prior: PatchVDVAE
    tile: int = field(metadata={"static": True})
    overlap: int | None = field(default=None, metadata={"static": True})

    @property
    def margin(self) -> int:
        """The overlap in pixels, a multiple of the stride."""
        stride = self.prior.config.stride
        own = OVERLAP * stride if self.overlap is None else self.overlap
        return -(-own // stride) * stride

    @property
    def config(self) -> Any:
        """That of the network."""
        return self.prior.config

    @property
    def num_groups(self) -> int:
        """L, the number of latent groups."""
        return self.prior.num_groups

    def reconstruct(
        self, image: jax.Array, temperature: Any, encoder_noise: Any = None
    ) -> Reconstruction:
        """As `PatchVDVAE.reconstruct`, without latents: they are ().

        Args:
            image: (H, W, C), [0, 1] units, of any size.
            temperature: tau in [0, 1], scalar or (L,).
            encoder_noise: what the encoder is told, a number, or None.

        Raises:
            InputError: a tile that does not fit the network.
        """
        self.validate()
        height, width = image.shape[:2]
        pads = [(0, -side % self.config.stride) for side in (height, width)]
        padded = jnp.pad(image, (*pads, (0, 0)), mode="symmetric")
        rows, columns = self.axes((height, width))
        size = rows.side, columns.side, image.shape[2]

        def add(carry, place):
            corner, owned = (*place[:2], 0), owned_pixels(size, place[2:])
            seen = lax.dynamic_slice(padded, corner, size)
            inside = owned[..., 0]
            found = self.prior.reconstruct(seen, temperature, encoder_noise, inside)
            new = found.mean, found.std
            arrays = [
                _written(a, b, corner, owned)
                for a, b in zip(carry[:2], new, strict=True)
            ]
            return (*arrays, carry[2] + found.log_prior), None

        nothing = jnp.zeros(padded.shape, jnp.float32)
        start = nothing, nothing, jnp.zeros(self.num_groups, jnp.float32)
        (mean, std, log_prior), _ = lax.scan(add, start, places(rows, columns))
        return Reconstruction(
            mean[:height, :width], std[:height, :width], (), log_prior
        )

    def work(self, shape: tuple[int, ...]) -> float:
        """Pixels that go through the network, for each one of an image (H, W)."""
        rows, columns = self.axes(shape)
        tiles = len(rows.starts) * len(columns.starts)
        return tiles * rows.side * columns.side / (shape[0] * shape[1])

    def axes(self, shape: tuple[int, ...]) -> tuple["Axis", "Axis"]:
        """The tiles along the rows and along the columns of an image (H, W).

        They cover its sides enlarged to multiples of the stride.
        """
        stride = self.config.stride
        rows, columns = (
            axis(-(-side // stride) * stride, self.tile, self.margin, stride)
            for side in shape[:2]
        )
        return rows, columns

    def validate(self) -> None:
        """Refuse a tile that does not fit the network.

        Raises:
            InputError: it does not.
        """
        stride = self.prior.config.stride
        if self.margin < 0:
            raise InputError(
                f"overlap={self.overlap}: expected 0 or more pixels; leave it out for"
                f" {OVERLAP * stride}"
            )
        if self.tile % stride or self.tile <= 2 * self.margin:
            least = 2 * self.margin + stride
            raise InputError(
                f"tile={self.tile}: expected a multiple of {stride}, the network's"
                f" stride, from {least} on, with an overlap of {self.margin} on both"
                f" sides; take {max(least, -(-self.tile // stride) * stride)}"
            )


class Axis(NamedTuple):
    """The tiles along one side of an image.

    Attributes:
        side: of each tile.
        starts: (n,) where they begin.
        bounds: (n + 1,) tile i keeps bounds[i] to bounds[i + 1].
    """

    side: int
    starts: np.ndarray
    bounds: np.ndarray


def axis(length: int, tile: int, overlap: int, stride: int) -> Axis:
    """The fewest and then smallest tiles that cover a side.

    Each pixel lies at least `overlap` from the edges of its tile, those of the image
    aside.

    Args:
        length: of the side, a multiple of the stride.
        tile: largest side of a tile, a multiple of the stride above twice the overlap.
        overlap: in pixels, a multiple of the stride.
        stride: tiles begin at multiples of it.
    """
    if length <= tile:
        return Axis(length, np.array([0]), np.array([0, length]))
    count = -(-(length - 2 * overlap) // (tile - 2 * overlap))
    needed = -(-(length + 2 * overlap * (count - 1)) // count)
    side = -(-needed // stride) * stride
    last = (length - side) // stride
    starts = stride * (np.arange(count) * last // (count - 1))
    inner = (starts[:-1] + side + starts[1:]) // 2
    return Axis(side, starts, np.array([0, *inner, length]))


def places(rows: Axis, columns: Axis) -> jax.Array:
    """(tiles, 6) int32: top, left, then the kept part of the tile, in its own pixels.

    The latter as top, bottom, left, right.
    """
    found = []
    for i, top in enumerate(rows.starts):
        vertical = rows.bounds[i : i + 2] - top
        for j, left in enumerate(columns.starts):
            horizontal = columns.bounds[j : j + 2] - left
            found.append([top, left, *vertical, *horizontal])
    return jnp.asarray(np.array(found), jnp.int32)


def owned_pixels(size: tuple[int, ...], kept: jax.Array) -> jax.Array:
    """(h, w, 1) which pixels of a tile (h, w) are kept; see `places`."""
    top, bottom, left, right = kept
    row, column = jnp.arange(size[0])[:, None], jnp.arange(size[1])
    owned = (row >= top) & (row < bottom) & (column >= left) & (column < right)
    return owned[..., None]


def _written(whole, tile, corner, owned) -> jax.Array:
    old = lax.dynamic_slice(whole, corner, tile.shape)
    return lax.dynamic_update_slice(whole, jnp.where(owned, tile, old), corner)
