"""PNG files with 16 bits a sample, of which Pillow keeps the upper 8 in colour."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# Pillow's reading of a file -> readings of the same bytes that keep all of them.
_BYTES = {
    "RGB;16B": ("RGB;16B", "RGB;16L"),  # the upper bytes, the lower ones
    "RGBA;16B": ("RGBA;16B", "RGBA;16L"),
    "LA;16B": ("RGBA",),
}
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> the format's number
_SLICE = 1 << 22


def read_deep_png(path: Path) -> np.ndarray | None:
    """(H, W, 2 to 4) uint16, upright; None for all but 16-bit colour or alpha."""
    planes = []
    with Image.open(path) as file:
        reading = str(file.tile[0].args) if file.format == "PNG" and file.tile else ""
    for raw in _BYTES.get(reading, ()):
        with Image.open(path) as file:
            file.tile = [tile._replace(args=raw) for tile in file.tile]
            file.load()
            ImageOps.exif_transpose(file, in_place=True)
            planes.append(np.asarray(file))
    if not planes:
        return None
    if reading == "LA;16B":
        planes = [planes[0][..., ::2], planes[0][..., 1::2]]
    upper = planes[0].astype(np.uint16)
    upper <<= 8
    upper |= planes[1]
    return upper


def write_deep_png(
    path: str | os.PathLike, pixels: np.ndarray, icc: bytes | None = None
) -> None:
    """Writes 16 bits a sample.

    Args:
        path: the file.
        pixels: (H, W, 1 to 4) uint16; grey, grey and alpha, colour, colour and alpha.
        icc: a colour profile to embed.
    """
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPE[channels], 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        _chunk(file, b"IHDR", header)
        if icc:
            _chunk(file, b"iCCP", b"icc\0\0" + zlib.compress(icc))
        packed = zlib.compress(_filtered(pixels).data, 6)
        for start in range(0, len(packed), _SLICE):
            _chunk(file, b"IDAT", packed[start : start + _SLICE])
        _chunk(file, b"IEND", b"")


def _filtered(pixels: np.ndarray) -> np.ndarray:
    """Big-endian bytes, each row less the one above (the format's filter 2)."""
    height = len(pixels)
    samples = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    rows = np.empty((height, samples.shape[1] + 1), np.uint8)
    rows[:, 0] = 2
    rows[:1, 1:] = samples[:1]
    np.subtract(samples[1:], samples[:-1], out=rows[1:, 1:])
    return rows


def _chunk(file, name: bytes, content: bytes) -> None:
    file.write(struct.pack(">I", len(content)) + name + content)
    file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(name))))
