"""Images one after the other, as an animated picture."""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from jaxrestore.data.files import atomic_path

_LEAST = 192  # pixels along the shorter side, so that small images can be seen


def animate(
    path: str | os.PathLike, frames: Sequence[np.ndarray], milliseconds: int = 150
) -> None:
    """Writes a GIF that repeats for ever.

    Args:
        path: file to write.
        frames: (H, W, 1) or (H, W, 3) in [0, 1], at least one; not finite is black.
        milliseconds: that each is shown.
    """
    pictures = [_picture(np.nan_to_num(np.asarray(frame))) for frame in frames]
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        first, *rest = pictures
        first.save(
            file,
            "gif",
            save_all=True,
            append_images=rest,
            duration=milliseconds,
            loop=0,
        )


def _picture(frame: np.ndarray) -> Image.Image:
    pixels = np.rint(255 * np.clip(frame, 0, 1)).astype(np.uint8)
    times = -(-_LEAST // min(pixels.shape[:2]))
    pixels = pixels.repeat(times, 0).repeat(times, 1)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
