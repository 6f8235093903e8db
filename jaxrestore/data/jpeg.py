"""What a JPEG file really holds: quantised DCT coefficients and their steps."""

import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

_ORIENTATION = 0x0112
_MODES = {"L": 1, "RGB": 3}
_BLOCK = 8


@dataclass(frozen=True, eq=False)
class JPEGFile:
    """Coefficients of a grey or YCbCr JPEG, components Y, Cb, Cr in turn.

    Attributes:
      size: (H, W) in pixels, as stored, before the camera's rotation.
      factors: for each component how many (rows, columns) of pixels one of its samples
        averages: ((1, 1), (2, 2), (2, 2)) for 4:2:0.
      levels: for each component (rows, columns, 8, 8) integers, one 8x8 array of
        quantised coefficients for each block, vertical frequency first.
      tables: for each component (8, 8), the quantisation steps of 255.
      orientation: EXIF's, 1 to 8; 1 where the pixels are stored upright.
    """

    size: tuple[int, int]
    factors: tuple[tuple[int, int], ...]
    levels: tuple[np.ndarray, ...]
    tables: tuple[np.ndarray, ...]
    orientation: int = 1

    @property
    def coefficients(self) -> np.ndarray:
        """All dequantised coefficients, (blocks, 8, 8) float32, of images in [0, 1].

        Of the orthonormal DCT, without JPEG's shift by half the range: what
        `operators.JPEG` measures of the decoded image, before that is rounded.
        """
        products = zip(self.levels, self.tables, strict=True)
        blocks = [(n * t).reshape(-1, _BLOCK, _BLOCK) for n, t in products]
        blocks[0] = blocks[0].astype(np.float64)
        blocks[0][:, 0, 0] += 128 * _BLOCK
        return (np.concatenate(blocks) / 255).astype(np.float32)

    @property
    def widths(self) -> np.ndarray:
        """Width of the cell that each coefficient was rounded from, likewise."""
        steps = [
            np.broadcast_to(table, (*level.shape[:2], _BLOCK, _BLOCK))
            for level, table in zip(self.levels, self.tables, strict=True)
        ]
        flat = [step.reshape(-1, _BLOCK, _BLOCK) for step in steps]
        return (np.concatenate(flat) / 255).astype(np.float32)


def read_jpeg(path: str | os.PathLike) -> JPEGFile | None:
    """The coefficients of a JPEG file, baseline or progressive.

    Args:
      path: an image file of any kind.

    Returns:
      None for what is no JPEG, and for JPEGs that no model is made for here: CMYK or
      RGB stored without conversion, arithmetic coding, chroma planes of fractional
      size, broken files.
    """
    try:
        with Image.open(path) as image:
            kind, mode = image.format, image.mode
            orientation = int(image.getexif().get(_ORIENTATION, 1))
            image.load()  # an incomplete file, which the next reader would fill, fails
        if kind not in ("JPEG", "MPO") or mode not in _MODES:
            return None
        return _read(os.fspath(path), _MODES[mode], orientation)
    except (OSError, SyntaxError, ValueError):
        return None


def _read(path: str, components: int, orientation: int) -> JPEGFile | None:
    import jpeglib

    file = jpeglib.read_dct(path)
    space = "JCS_YCbCr" if components == 3 else "JCS_GRAYSCALE"
    if file.num_components != components or str(file.jpeg_color_space) != space:
        return None
    samples = np.asarray(file.samp_factor).reshape(components, 2)
    if components == 1:  # a lone component is never subsampled
        samples = np.ones_like(samples)
    largest = samples.max(0)
    if (largest % samples).any():
        return None
    levels = (file.Y, file.Cb, file.Cr)[:components]
    return JPEGFile(
        (file.height, file.width),
        tuple((int(v), int(h)) for v, h in largest // samples),
        tuple(np.array(level) for level in levels),
        tuple(np.array(file.get_component_qt(i)) for i in range(components)),
        orientation if 1 <= orientation <= 8 else 1,
    )
