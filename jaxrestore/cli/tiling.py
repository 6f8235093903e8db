"""Whether the prior sees a large image whole or tile by tile."""

from functools import cache, cached_property, partial
from typing import Any

import jax
import psutil

from jaxrestore.errors import InputError
from jaxrestore.priors import PatchVDVAE, Tiled
from jaxrestore.priors.base import Reconstructs

LARGE = 1.5e6  # pixels from which a look at memory is worth its own seconds
_PIECE = 256
_LARGEST, _LEAST = 2048, 512
_WHOLE_SHARE, _TILE_SHARE = 0.5, 0.125  # of the free memory


class Tiling:
    """The prior for each size of image.

    Args:
        kind: class of the solver.
        prior: its model.
        wanted: side of a tile, 0 for none, "auto": where memory is short.

    Attributes:
        possible: there can be tiles.

    Raises:
        InputError: a side that is of no use to the solver or does not fit the prior.
    """

    def __init__(self, kind: Any, prior: Any, wanted: Any):
        self._prior, self._wanted = prior, wanted
        takes = kind.requires.get("prior", ()) == (Reconstructs,)
        self.possible = takes and isinstance(prior, PatchVDVAE)
        self._chosen: dict[tuple[int, ...], int] = {}
        if wanted == "auto" or not wanted:
            return
        if not self.possible:
            named = prior is not None
            model = f"and a {type(prior).__name__}" if named else "without a prior"
            raise InputError(
                f"--tile={wanted}: has no use with the method {kind.name} {model},"
                " expected pnp_hvae with a PatchVDVAE; leave it out"
            )
        Tiled(prior, wanted).validate()

    def prior(self, shape: tuple[int, ...]) -> Any:
        """The prior for images (H, W, C); of one size always the same.

        An image that fits a tile is seen whole.
        """
        if shape not in self._chosen:
            self._chosen[shape] = self._side(shape) if self.possible else 0
        side = self._chosen[shape]
        return Tiled(self._prior, side) if 0 < side < max(shape[:2]) else self._prior

    def tiled(self, shape: tuple[int, ...]) -> Tiled:
        """The prior by tiles, for images (H, W, C) that are not to be seen whole."""
        side = self._fitting if self._wanted in ("auto", 0) else self._wanted
        return Tiled(self._prior, side)

    def remedy(self, shape: tuple[int, ...]) -> int:
        """A smaller tile than images (H, W, C) are seen in; 0: there is none."""
        if not self.possible:
            return 0
        stride = self._prior.config.stride
        side = max(_LEAST // stride * stride, self._least)
        return side if side < getattr(self.prior(shape), "tile", max(shape[:2])) else 0

    @property
    def _least(self) -> int:
        """The smallest tile that fits the network."""
        return 2 * Tiled(self._prior, 0).margin + self._prior.config.stride

    def _side(self, shape: tuple[int, ...]) -> int:
        pixels = shape[0] * shape[1]
        if self._wanted != "auto":
            return self._wanted
        if pixels < LARGE:
            return 0
        each, free = temporaries(type(self._prior), self._prior.config), free_memory()
        if each * pixels <= _WHOLE_SHARE * free:
            return 0
        stride = self._prior.config.stride
        side = min(self._fitting, max(shape[:2]) - 1)
        return max(side // stride * stride, self._least)

    @cached_property
    def _fitting(self) -> int:
        """As large as the memory that is free allows."""
        each, free = temporaries(type(self._prior), self._prior.config), free_memory()
        margin, stride = Tiled(self._prior, 0).margin, self._prior.config.stride
        side = max((_TILE_SHARE * free / each) ** 0.5, _LEAST, 4 * margin)
        side = min(side, _LARGEST)
        return max(int(side) // stride * stride, self._least)


@cache
def temporaries(kind: Any, config: Any) -> float:
    """Bytes that a reconstruction needs beside image and result, for each pixel.

    Those of a compiled program for a piece that is not run.

    Args:
        kind: class of the prior.
        config: of it.
    """
    prior = jax.eval_shape(partial(kind.create, config), jax.random.key(0))
    side = -(-_PIECE // config.stride) * config.stride
    piece = jax.ShapeDtypeStruct((side, side, config.image_channels), "float32")
    program = jax.jit(lambda prior, image: prior.reconstruct(image, 1.0, 0.0))
    analysis = program.lower(prior, piece).compile().memory_analysis()
    return (analysis.temp_size_in_bytes if analysis else 0) / side**2


def free_memory() -> float:
    """Bytes that are free where programs run."""
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return psutil.virtual_memory().available
