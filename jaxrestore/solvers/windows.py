"""Windows of images that lie anywhere, and the tiles that they are walked over in."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxrestore.priors.hvae.tiled import Tiled, places
from jaxrestore.solvers.views import View


class Readable(Protocol):
    """An image (H, W, C) of which windows are read: arrays are some."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""
        ...

    def __getitem__(self, window: tuple[slice, slice], /) -> Any:
        """(h, w, C) in [0, 1] units."""
        ...


class Windows(Readable, Protocol):
    """The same that windows are written to."""

    def __setitem__(self, window: tuple[slice, slice], values: Any, /) -> None: ...


class Tile(NamedTuple):
    """Where a tile's pixels lie in the image, and which of them it keeps.

    Attributes:
        rows, columns: (h,), (w,) of each pixel; descending where it is flipped, and
            back and forth where it is padded.
        kept: (4,) int32, top, bottom, left, right of the tile.
    """

    rows: np.ndarray
    columns: np.ndarray
    kept: np.ndarray

    def read(self, source: Readable) -> np.ndarray:
        """(h, w, C) of an image."""
        return _taken(source, self.rows, self.columns)

    def write(self, target: Windows, values: Any) -> None:
        """What it keeps of (h, w, C), into an image."""
        top, bottom, left, right = self.kept
        rows, columns = self.rows[top:bottom], self.columns[left:right]
        window, order = _window(rows, columns)
        target[window] = np.asarray(values[top:bottom, left:right])[order]


def _window(rows: np.ndarray, columns: np.ndarray) -> tuple[Any, Any]:
    """The smallest window that has them all, and the places of all in it."""
    low, left = int(rows.min()), int(columns.min())
    window = slice(low, int(rows.max()) + 1), slice(left, int(columns.max()) + 1)
    return window, np.ix_(rows - low, columns - left)


def _taken(source: Readable, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    window, order = _window(rows, columns)
    return np.asarray(source[window], np.float32)[order]


def tiles(
    prior: Tiled, shape: tuple[int, ...], view: View, canvas: tuple[int, ...]
) -> Iterator[Tile]:
    """Those of a canvas (h, w) that shows a view of an image (H, W)."""
    stride, corner = prior.config.stride, np.array(view.moves)
    sides = [
        view.places(axis, length, -(-side // stride) * stride)
        for axis, (length, side) in enumerate(zip(shape[:2], canvas, strict=True))
    ]
    rows, columns = prior.axes(canvas)
    for top, left, *kept in np.asarray(places(rows, columns)):
        first = (corner - (top, left)).repeat(2)
        last = first + np.array(shape[:2]).repeat(2)
        kept = np.clip(kept, first, last).astype(np.int32)
        if kept[0] == kept[1] or kept[2] == kept[3]:  # what fills the canvas
            continue
        yield Tile(
            sides[0][top : top + rows.side],
            sides[1][left : left + columns.side],
            kept,
        )
