"""Images on disk of which windows are read and written, and what is made of windows."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore.errors import InputError

_PIECES, _SIDE = 4, 256  # along a side of what stands for a large image
_BAND = 128  # rows


@dataclass(frozen=True)
class Stored:
    """An array in a file, its rows one after the other.

    The file is mapped for the moment of each access, so that what was read or written
    is the system's, to keep in memory or not, and none of the process's.

    Attributes:
        path: of the file; made by the first access that writes.
        shape: (H, W, C).
        dtype: as stored, byte order and all.
        offset: of the first byte.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: Any
    offset: int = 0

    def __getitem__(self, window: Any) -> np.ndarray:
        return np.array(self._mapped("r")[window])

    def __setitem__(self, window: Any, values: Any) -> None:
        if not self.path.exists():
            reserve(self.path, self.bytes)
        self._mapped("r+")[window] = values

    @property
    def bytes(self) -> int:
        """Size of the file up to the array's end."""
        size = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize
        return self.offset + size

    def _mapped(self, mode: Any) -> np.ndarray:
        return np.memmap(self.path, self.dtype, mode, self.offset, self.shape)


@dataclass(frozen=True)
class Repeated:
    """An image as one of more channels, where it is grey.

    Attributes:
        image: (H, W, 1) or (H, W, C).
        channels: C.
    """

    image: Any
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return *self.image.shape[:2], self.channels

    def __getitem__(self, window: Any) -> np.ndarray:
        part = self.image[window]
        return np.broadcast_to(part, (*part.shape[:2], self.channels))


def reserve(path: Path, size: int) -> None:
    """Makes a file that large, or makes sure that there is room for it.

    Raises:
        InputError: there is none.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _reserved(file, size)
        finally:
            os.close(file)
    except OSError as error:
        raise InputError(
            f"{path}: cannot reserve {size / 1e9:.1f} GB ({error.strerror}); free some"
            " space, or choose another output folder"
        ) from error


def _reserved(file: int, size: int) -> None:
    """As long, and with its room where that can be had beforehand.

    A full disk kills who writes to a map.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            return os.posix_fallocate(file, 0, size)
        except OSError as error:  # not this file system
            if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL):
                raise
    if os.fstat(file).st_size < size:
        os.ftruncate(file, size)


def bands(height: int, rows: int = _BAND) -> list[tuple[slice, slice]]:
    """Windows of so many rows that cover an image of a height."""
    return [
        (slice(top, min(top + rows, height)), slice(None))
        for top in range(0, height, rows)
    ]


def copy(source: Any, target: Any) -> None:
    """Copies an image to another of its size, band by band."""
    for band in bands(source.shape[0]):
        target[band] = source[band]


def sampled(image: Any) -> np.ndarray:
    """(h, w, C): windows spread evenly over an image, side by side; small ones whole.

    At most 1024 x 1024, of 4 x 4 windows. Its statistics of small neighbourhoods are
    those of the image, but where windows meet.
    """
    rows, columns = (_pieces(length) for length in image.shape[:2])
    found = [np.concatenate([image[r, c] for c in columns], 1) for r in rows]
    return np.concatenate(found)


def _pieces(length: int) -> list[slice]:
    if length <= _PIECES * _SIDE:
        return [slice(0, length)]
    starts = np.linspace(0, length - _SIDE, _PIECES).astype(int).tolist()
    return [slice(start, start + _SIDE) for start in starts]


def reduced(image: Any, most: int) -> np.ndarray:
    """(h, w, C): means over squares of pixels, the least that leave sides <= most.

    What the last row or column of squares lacks is left out, of large images.
    """
    height, width = image.shape[:2]
    factor = -(-max(height, width) // most)
    rows = []
    for band in bands(height // factor * factor or height, factor):
        part = image[band][:, : width // factor * factor or width].mean(0)
        count = max(part.shape[0] // factor, 1)
        rows.append(part.reshape(count, -1, part.shape[-1]).mean(1))
    return np.stack(rows)


def middle(image: Any, side: int = _SIDE) -> np.ndarray:
    """The square in the middle of an image, or as much of it as there is."""
    starts = [max(0, (length - side) // 2) for length in image.shape[:2]]
    rows, columns = (slice(start, start + side) for start in starts)
    return image[rows, columns]
