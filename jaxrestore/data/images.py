"""Reading photographs of any common kind into arrays, and writing PNG files."""

import dataclasses
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from jaxrestore.data.files import atomic_path
from jaxrestore.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".ppm", ".pgm")

# What Pillow raises for broken files.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError)
BROKEN += (Image.DecompressionBombError,)


@dataclasses.dataclass(frozen=True)
class LoadedImage:
    """An image file's content.

    Attributes:
        pixels: (H, W, C) float32 in [0, 1], C = 1 (grey) or 3 (colour).
        bit_depth: 8 or 16, the depth that a restored image is worth writing with.
        notes: What was changed on the way, one sentence each, for the user.
    """

    pixels: np.ndarray
    bit_depth: int = 8
    notes: tuple[str, ...] = ()


def read_image(path: str | os.PathLike, argument: str = "--input") -> LoadedImage:
    """Reads an 8- or 16-bit, grey, colour, palette, alpha or CMYK image.

    Camera rotation tags are applied, transparency is dropped, of several frames the
    first is taken; each is told in `notes`.

    Args:
        path: A file that Pillow can read, or a 16-bit colour TIFF.
        argument: The command-line argument that named the file, for messages.

    Raises:
        InputError: The file is missing, not an image, broken, or holds values that
            are neither 8-bit, 16-bit nor floats in [0, 1].
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{argument}={path}: {what}, expected an image file")
    try:
        tiff = path.suffix.lower() in (".tif", ".tiff")
        if tiff and (loaded := _read_deep_tiff(path)):
            return loaded
        with Image.open(path) as file:
            frames = getattr(file, "n_frames", 1)
            notes = ["only the first frame was read"] * (frames > 1)
            if any("RGB;16" in str(tile) for tile in file.tile):
                notes.append("16-bit colour was read with 8 bits; TIFF keeps all 16")
            file.load()
            return _convert(ImageOps.exif_transpose(file), notes)
    except InputError as error:
        raise InputError(f"{argument}={path}: {error}") from error
    except BROKEN as error:
        reason = " ".join(str(error).replace(str(path), "").split())[:120]
        raise InputError(
            f"{argument}={path}: cannot be read as an image ({reason}); expected a"
            f" complete {', '.join(s[1:] for s in SUFFIXES)} file, save it anew"
        ) from error


def write_png(path: str | os.PathLike, image: np.ndarray, bit_depth: int = 8) -> None:
    """Writes a PNG file that is either complete or absent.

    Args:
        path: The file, in a folder that exists.
        image: (H, W, 1) or (H, W, 3), clipped to [0, 1] here.
        bit_depth: 8, or 16 for grey images; colour is always written with 8 bits.

    Raises:
        InputError: The file cannot be written.
    """
    image = np.clip(np.nan_to_num(np.asarray(image, np.float32)), 0, 1)
    grey = image.shape[-1] == 1
    if grey:
        image = image[..., 0]
    deep = bit_depth == 16 and grey
    peak, dtype = (65535, np.uint16) if deep else (255, np.uint8)
    with atomic_path(path) as temporary:
        Image.fromarray(np.rint(image * peak).astype(dtype)).save(temporary, "PNG")


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


def _read_deep_tiff(path: Path) -> LoadedImage | None:
    """16-bit and float colour TIFF, which Pillow cannot read; None for others."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            deep = page.ndim == 3 and page.dtype in (np.uint16, np.float32)
            pixels = page.asarray() if deep else None
    except tifffile.TiffFileError as error:
        raise OSError(str(error)) from error
    if pixels is None or pixels.shape[-1] not in (3, 4):
        return None
    notes = ["16-bit colour is restored in full and written with 8 bits"]
    if pixels.shape[-1] == 4:
        notes.append("transparency was dropped")
    return LoadedImage(_to_unit(pixels[..., :3]), 8, tuple(notes))


def _convert(file: Image.Image, notes: list[str]) -> LoadedImage:
    """Pillow image in any mode -> `LoadedImage`."""
    mode = file.mode
    if mode.startswith("I") or mode == "F":
        return LoadedImage(_to_unit(np.asarray(file)), 16, tuple(notes))
    target = "L" if mode in ("1", "L", "LA", "La") else "RGB"
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in file.info:
        file = file.convert(f"{target}A")
        if np.asarray(file.getchannel("A")).min() < 255:
            notes.append("transparency was dropped")
    elif mode == "CMYK":
        notes.append("CMYK was converted to RGB without a colour profile")
    pixels = _to_unit(np.asarray(file.convert(target)))
    return LoadedImage(pixels, 8, tuple(notes))


def _to_unit(pixels: np.ndarray) -> np.ndarray:
    """Integer or float samples -> (H, W, C) float32 in [0, 1]."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.dtype == np.uint8:
        return pixels.astype(np.float32) / 255
    if pixels.dtype.kind in "iu":
        if pixels.min() < 0 or pixels.max() > 65535:
            raise InputError("integers outside 0..65535; save it with 8 or 16 bits")
        return pixels.astype(np.float32) / 65535
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
        raise InputError("float values outside [0, 1]; scale it to [0, 1] first")
    return pixels.astype(np.float32)
