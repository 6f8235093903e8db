"""Photographs as a prior takes them: its channels, its size."""

from typing import Any

import numpy as np
from PIL import Image

from jaxrestore.errors import InputError

_LUMA = np.array([[0.299], [0.587], [0.114]], np.float32)  # Pillow's, as in training


def fit(pixels: np.ndarray, config: Any = None) -> np.ndarray:
    """An image with the channels and, where it takes one alone, the size of a prior.

    Colours become luma or grey is repeated; of an image of another size the central
    square is resized (Lanczos).

    Args:
        pixels: (H, W, 1 or 3) in [0, 1].
        config: the prior's; None, or one without `image_channels`: colour, any size.

    Returns:
        (H', W', C) float32 in [0, 1].
    """
    channels = getattr(config, "image_channels", 3)
    if channels == 1 and pixels.shape[-1] == 3:
        pixels = pixels @ _LUMA
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], channels))
    side = getattr(config, "image_size", None)
    if side is None or pixels.shape[:2] == (side, side):
        return np.ascontiguousarray(pixels, np.float32)
    square = np.clip(centre(pixels, min(pixels.shape[:2])), 0, 1)
    planes = [
        Image.fromarray(plane).resize((side, side), Image.Resampling.LANCZOS)
        for plane in np.ascontiguousarray(np.moveaxis(square, -1, 0), np.float32)
    ]
    return np.clip(np.stack([np.asarray(plane) for plane in planes], -1), 0, 1)


def centre(pixels: np.ndarray, side: int, what: str = "image") -> np.ndarray:
    """The central square, (H, W, C) -> (side, side, C).

    Raises:
        InputError: the image is smaller.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        raise InputError(
            f"{what}: {height}x{width} pixels, smaller than the crop of {side};"
            " lower it"
        )
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])
