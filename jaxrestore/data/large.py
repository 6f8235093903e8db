"""Large image files: read by windows where the format allows it, written as TIFF."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from jaxrestore.data.images import (
    BROKEN,
    TIFF,
    any_size,
    read_samples,
    to_integers,
    to_unit,
)
from jaxrestore.data.stored import Stored, bands, reserve
from jaxrestore.errors import InputError

_ORIENTATION, _ICC = 274, 34675  # tags
_DECODED = 3  # times the samples is what Pillow may take
_DEEP = (".png", *TIFF)  # may have four samples of 16 bits


@dataclass(frozen=True)
class LargeImage:
    """An image of which windows are read, as floats.

    Attributes:
        samples: (H, W, 1 to 4) windows of numbers as they are in the file.
        bit_depth, notes, icc: see `LoadedImage`.
        orientation: the camera's, 1 to 8; windows are those of the image as it is
            stored.
        path: of the file, to be named in errors.
        extra: what TIFF calls the sample beyond the colours, 2 being alpha.
    """

    samples: Any
    bit_depth: int = 8
    notes: tuple[str, ...] = ()
    icc: bytes | None = None
    orientation: int = 1
    path: Path | None = None
    extra: int = 2

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C), C = 1 or 3: without alpha."""
        height, width, channels = self.samples.shape
        return height, width, channels - 1 + channels % 2

    def __getitem__(self, window: Any) -> np.ndarray:
        """(h, w, C) float32 in [0, 1].

        Raises:
            InputError: floats that are not.
        """
        try:
            return to_unit(self.samples[window][..., : self.shape[2]])
        except InputError as error:
            raise InputError(f"--input={self.path}: {error}") from error


def size_of(path: Path) -> tuple[int, int] | None:
    """(h, w) upright from a file's header; None where it cannot be read."""
    try:
        if path.suffix.lower() in TIFF:
            import tifffile

            with tifffile.TiffFile(path) as file:
                page = file.pages.first
                turned = page.tags.valueof(_ORIENTATION)
                size = (page.imagelength, page.imagewidth)
        else:
            with any_size(), Image.open(path) as file:
                size = file.size[::-1]
                turned = file.getexif().get(_ORIENTATION)
    except BROKEN:
        return None
    return size[::-1] if _turned(turned) >= 5 else size  # type: ignore[return-value]


def _turned(tag: Any) -> int:
    """A camera's orientation, 1 where the tag says none."""
    return tag if tag in range(1, 9) else 1


def open_large(path: Path, scratch: Callable[[], Path]) -> LargeImage:
    """An image file of which windows are read.

    An uncompressed TIFF is read where it lies. Other TIFFs are decoded to disk, strip
    by strip or tile by tile. All else is decoded in memory, as its own 1 or 2 bytes a
    sample.

    Args:
        path: the file.
        scratch: makes a folder to decode to; called where that is needed.

    Raises:
        InputError: the file cannot be read, or is to be decoded and memory is short.
    """
    try:
        if path.suffix.lower() in TIFF and (found := _tiff(path, scratch)):
            return found
    except BROKEN as error:
        raise InputError(
            f"--input={path}: cannot be read as an image ({str(error)[:120]}); expected"
            " a complete TIFF, save it anew"
        ) from error
    pixels, notes = np.prod(size_of(path) or (0,), dtype=np.int64), ()
    if pixels > 2 * (Image.MAX_IMAGE_PIXELS or pixels):
        notes = (
            f"{pixels / 1e6:.0f} megapixels, more than Pillow decodes unasked (its"
            " guard against decompression bombs): decoded all the same",
        )
    deepest = 8 if path.suffix.lower() in _DEEP else 3  # bytes a pixel
    if deepest * _DECODED * pixels > psutil.virtual_memory().available:
        raise InputError(
            f"--input={path}: {pixels / 1e6:.0f} megapixels of this format are decoded"
            f" in memory, which has no room for them; expected an uncompressed TIFF,"
            " convert it"
        )
    with any_size():
        values, depth, more, icc = read_samples(path)
    return LargeImage(values, depth, (*notes, *more), icc, path=path)


def _tiff(path: Path, scratch: Callable[[], Path]) -> LargeImage | None:
    """A grey or RGB one with interleaved samples; None for what Pillow is asked."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages.first
        plain = page.axes in ("YX", "YXS") and page.photometric in (1, 2)
        kinds = (np.uint8, np.uint16, np.float32)
        if not plain or page.dtype not in kinds or page.samplesperpixel > 4:
            return None
        shape = page.imagelength, page.imagewidth, page.samplesperpixel
        if page.is_memmappable:
            kind = np.dtype(page.dtype).newbyteorder(file.byteorder)
            samples = Stored(path, shape, kind, page.dataoffsets[0])
            if path.stat().st_size < samples.bytes:
                raise OSError("it ends early")
        elif not _decodes(page):
            return None
        else:
            samples = Stored(scratch() / "input", shape, page.dtype)
            _decode(page, samples)
        icc, turned = (page.tags.valueof(tag) for tag in (_ICC, _ORIENTATION))
        notes = ("only the first frame was read",) * (len(file.pages) > 1)
    depth = 8 if page.dtype == np.uint8 else 16
    (extra,) = page.extrasamples[:1] or (2,)
    read = samples, depth, notes, icc and bytes(icc), _turned(turned)
    return LargeImage(*read, path=path, extra=int(extra))


def _decodes(page: Any) -> bool:
    """Whether there is a codec; others' compression is read by Pillow."""
    try:
        next(iter(page.segments(maxworkers=1)))
    except (ValueError, KeyError, StopIteration):
        return False
    return True


def _decode(page: Any, target: Stored) -> None:
    """Segments of a TIFF one after the other."""
    height, width, _ = target.shape
    for values, (_, _, top, left, _), _ in page.segments(maxworkers=1):
        if values is None:  # empty ones
            continue
        part = values[0][: height - top, : width - left]
        rows, columns = (slice(a, a + n) for a, n in zip((top, left), part.shape))  # noqa: B905
        target[rows, columns] = part


class TIFFTarget:
    """A TIFF that is written, and read, by windows of floats: the restored image.

    Args:
        path: of the file, which is overwritten.
        like: of the same size; its alpha, depth, profile and orientation are taken.
        channels: of the windows; those of a grey file are averaged, and repeated.
        clean: what it is scored against, or None.

    Raises:
        InputError: the disk has no room.
    """

    def __init__(self, path: Path, like: LargeImage, channels: int, clean: Any = None):
        self._like, self._clean, self._channels = like, clean, channels
        self.shape = *like.shape[:2], channels
        self._stored = _created(path, like)
        self._squares = 0.0
        if like.samples.shape[2] > like.shape[2]:
            self._copy_extra()

    def _copy_extra(self) -> None:
        """Alpha, or whatever lies beyond the colours."""
        beyond = slice(self._like.shape[2], None)
        for band in bands(self.shape[0]):
            values = to_unit(self._like.samples[band][..., beyond])
            self._stored[(*band, beyond)] = to_integers(values, self._like.bit_depth)

    def move(self, path: Path) -> None:
        """Gives the file another name, in the same file system."""
        os.replace(self._stored.path, path)
        self._stored = dataclasses.replace(self._stored, path=path)

    def __setitem__(self, window: Any, values: np.ndarray) -> None:
        if self._like.shape[2] == 1:
            values = values.mean(-1, keepdims=True)
        colours = (*window, slice(0, self._like.shape[2]))
        self._stored[colours] = to_integers(values, self._like.bit_depth)
        if self._clean is not None:
            error = np.clip(values, 0, 1) - self._clean[window]
            self._squares += float(np.square(error, dtype=np.float64).sum())

    def __getitem__(self, window: Any) -> np.ndarray:
        colours = to_unit(self._stored[window][..., : self._like.shape[2]])
        return np.broadcast_to(colours, (*colours.shape[:2], self._channels))

    @property
    def psnr(self) -> float:
        """In dB, of what was written, each pixel once; as `metrics.psnr`."""
        return psnr(self._squares, self._like.shape)


def psnr(squares: float, shape: tuple[int, ...]) -> float:
    """In dB, from the sum of squared errors of an image's values."""
    size = np.prod(shape, dtype=np.float64)
    return float(-10 * np.log10(squares / size)) if squares else float("inf")


def _created(path: Path, like: LargeImage) -> Stored:
    """An empty TIFF of the size, depth and channels of an image."""
    import tifffile

    height, width, channels = like.samples.shape
    tags = [(_ORIENTATION, "H", 1, like.orientation, True)] * (like.orientation != 1)
    empty = tifffile.memmap(
        path,
        shape=(height, width) if channels == 1 else (height, width, channels),
        dtype=np.uint16 if like.bit_depth == 16 else np.uint8,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig=None if channels == 1 else "contig",
        extrasamples=None if channels % 2 else (like.extra,),
        iccprofile=like.icc,
        extratags=tags,
        metadata=None,
    )
    stored = Stored(path, like.samples.shape, empty.dtype, empty.offset)
    del empty
    reserve(path, stored.bytes)
    return stored
