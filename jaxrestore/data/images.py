"""Reading photographs of any common kind into arrays, and writing PNG files."""

import contextlib
import dataclasses
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from jaxrestore.data.deep_png import read_deep_png, write_deep_png
from jaxrestore.data.files import atomic_path
from jaxrestore.data.jpeg import JPEGFile
from jaxrestore.errors import InputError

TIFF = (".tif", ".tiff")
SUFFIXES = (".png", ".jpg", ".jpeg", *TIFF, ".bmp", ".webp", ".ppm", ".pgm")

# What Pillow, tifffile and its codecs raise for broken files.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError)
BROKEN += (Image.DecompressionBombError, zlib.error, RuntimeError)


@dataclasses.dataclass(frozen=True)
class LoadedImage:
    """An image file's content.

    Attributes:
        pixels: (H, W, C) float32 in [0, 1], C = 1 (grey) or 3 (colour).
        bit_depth: 8 or 16, the depth that a restored image is worth writing with.
        notes: What was changed on the way, one sentence each, for the user.
        icc: The colour profile that gives the pixels their meaning, None for sRGB.
        alpha: (H, W, 1) float32 in [0, 1], None where the image is opaque.
        jpeg: The file's coefficients, see `data.jpeg.read_jpeg`; None for other files.
    """

    pixels: np.ndarray
    bit_depth: int = 8
    notes: tuple[str, ...] = ()
    icc: bytes | None = None
    alpha: np.ndarray | None = None
    jpeg: JPEGFile | None = None


def read_image(path: str | os.PathLike, argument: str = "--input") -> LoadedImage:
    """Reads an 8- or 16-bit, grey, colour, palette, alpha or CMYK image.

    Camera rotation tags are applied; of several frames the first is taken, which is
    told in `notes`.

    Args:
        path: A file that Pillow can read, or a 16-bit or float colour TIFF.
        argument: The command-line argument that named the file, for messages.

    Raises:
        InputError: The file is missing, not an image, broken, or holds values that
            are neither 8-bit, 16-bit nor floats in [0, 1].
    """
    with _explained(Path(path), argument):
        return _loaded(*_samples(Path(path)))


class Samples(NamedTuple):
    """What a file holds, as it is there.

    Attributes:
        values: (H, W, 1 to 4), the last of 2 or 4 being alpha.
        bit_depth, notes, icc: see `LoadedImage`.
    """

    values: np.ndarray
    bit_depth: int
    notes: tuple[str, ...]
    icc: bytes | None


def read_samples(path: str | os.PathLike, argument: str = "--input") -> Samples:
    """As `read_image`, in the file's own numbers, of which 8 bits take one byte."""
    with _explained(Path(path), argument):
        return _samples(Path(path))


@contextlib.contextmanager
def any_size() -> Iterator[None]:
    """Pillow's limit, a guard against decompression bombs, does not hold inside."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@contextlib.contextmanager
def _explained(path: Path, argument: str) -> Iterator[None]:
    """Says what is wrong with a file."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{argument}={path}: {what}, expected an image file")
    try:
        yield
    except InputError as error:
        raise InputError(f"{argument}={path}: {error}") from error
    except BROKEN as error:
        reason = " ".join(str(error).replace(str(path), "").split())[:120]
        raise InputError(
            f"{argument}={path}: cannot be read as an image ({reason}); expected a"
            f" complete {', '.join(s[1:] for s in SUFFIXES)} file, save it anew"
        ) from error


def _samples(path: Path) -> Samples:
    tiff = path.suffix.lower() in TIFF
    if tiff and (deep := _read_deep_tiff(path)):
        return deep
    with Image.open(path) as file:
        frames = getattr(file, "n_frames", 1)
        notes = ("only the first frame was read",) * (frames > 1)
        icc = file.info.get("icc_profile")
        if (deep := read_deep_png(path)) is not None:
            return Samples(deep, 16, notes, icc)
        file.load()
        return _convert(ImageOps.exif_transpose(file), notes, icc)


def write_png(
    path: str | os.PathLike,
    image: np.ndarray,
    bit_depth: int = 8,
    *,
    icc: bytes | None = None,
    alpha: np.ndarray | None = None,
) -> None:
    """Writes a PNG file that is either complete or absent.

    Args:
        path: The file, in a folder that exists.
        image: (H, W, 1) or (H, W, 3), clipped to [0, 1] here.
        bit_depth: 8 or 16.
        icc: A colour profile to embed, as `read_image` found it.
        alpha: (h, w, 1) in [0, 1]; of another size than the image it is resized
            (bicubic, clipped). None: opaque.

    Raises:
        InputError: The file cannot be written.
    """
    samples = to_integers(image, bit_depth)
    if alpha is not None:
        fitted = to_integers(_resized(alpha, samples.shape[:2]), bit_depth)
        samples = np.concatenate([samples, fitted], -1)
    with atomic_path(path) as temporary:
        if bit_depth == 16:
            write_deep_png(temporary, samples, icc)
        else:
            flat = samples[..., 0] if samples.shape[-1] == 1 else samples
            Image.fromarray(flat).save(temporary, "PNG", icc_profile=icc)


def to_integers(image: np.ndarray, bit_depth: int) -> np.ndarray:
    """[0, 1] -> (H, W, C) uint8 or uint16; NaN becomes 0. One copy, in float32."""
    peak, dtype = (65535, np.uint16) if bit_depth == 16 else (255, np.uint8)
    scaled = np.multiply(image, np.float32(peak), dtype=np.float32)
    np.nan_to_num(scaled, copy=False, posinf=peak)
    np.clip(scaled, 0, peak, out=scaled)
    return np.rint(scaled, out=scaled).astype(dtype)


def _resized(alpha: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(h, w, 1) -> (H, W, 1), bicubic."""
    plane = np.asarray(alpha, np.float32)[..., 0]
    if plane.shape == size:
        return plane[..., None]
    height, width = size
    large = Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(large)[..., None]


def list_images(folder: str | os.PathLike, argument: str = "--input") -> list[Path]:
    """The image files directly inside a folder, by name; other files are ignored.

    Raises:
        InputError: There is none.
    """
    files = image_files(folder, "*")
    if not files:
        raise InputError(
            f"{argument}={folder}: no image in this folder, expected files ending in"
            f" {', '.join(SUFFIXES)} (folders inside it are not searched)"
        )
    return files


def image_files(folder: str | os.PathLike, pattern: str) -> list[Path]:
    """Visible image files in a folder that match a pattern of `Path.glob`, sorted."""
    return sorted(
        path
        for path in Path(folder).glob(pattern)
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )


def _read_deep_tiff(path: Path) -> Samples | None:
    """16-bit and float colour TIFF, which Pillow cannot read; None for others."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            deep = page.ndim == 3 and page.dtype in (np.uint16, np.float32)
            if not deep or page.shape[-1] not in (3, 4):
                return None
            pixels = page.asarray()
            turned, icc = (page.tags.valueof(number) for number in (274, 34675))
    except tifffile.TiffFileError as error:
        raise OSError(str(error)) from error
    return Samples(upright(pixels, turned or 1), 16, (), icc and bytes(icc))


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes a camera's rotation, the tag's value 1 to 8."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def _convert(file: Image.Image, notes: tuple[str, ...], icc: bytes | None) -> Samples:
    """Pillow image in any mode."""
    mode = file.mode
    if mode.startswith("I") or mode == "F":
        return Samples(np.asarray(file)[..., None], 16, notes, icc)
    target = "L" if mode in ("1", "L", "LA", "La") else "RGB"
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in file.info:
        target += "A"
    elif mode == "CMYK":
        notes = *notes, "CMYK was converted to RGB without a colour profile"
        icc = None  # of inks
    pixels = np.asarray(file.convert(target))
    return Samples(pixels.reshape(*pixels.shape[:2], -1), 8, notes, icc)


def _loaded(
    samples: np.ndarray, bit_depth: int, notes: tuple[str, ...], icc: bytes | None
) -> LoadedImage:
    """Samples (H, W, 1 to 4), the last of 2 or 4 being alpha."""
    colours = samples.shape[-1] - 1 + samples.shape[-1] % 2
    pixels = to_unit(samples[..., :colours])
    alpha = None
    if colours < samples.shape[-1]:
        alpha = to_unit(samples[..., colours:])
        alpha = alpha if alpha.min() < 1 else None
    return LoadedImage(pixels, bit_depth, notes, icc, alpha)


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """Integer or float samples -> float32 in [0, 1]."""
    if pixels.dtype == np.uint8:
        return np.divide(pixels, np.float32(255), dtype=np.float32)
    if pixels.dtype.kind in "iu":
        if pixels.min() < 0 or pixels.max() > 65535:
            raise InputError("integers outside 0..65535; save it with 8 or 16 bits")
        return np.divide(pixels, np.float32(65535), dtype=np.float32)
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
        raise InputError("float values outside [0, 1]; scale it to [0, 1] first")
    return np.ascontiguousarray(pixels, np.float32)
