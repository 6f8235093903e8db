"""Masks of seen pixels, from files."""

import numpy as np

from jaxrestore.data.images import read_image
from jaxrestore.errors import InputError


def read_mask(path: str) -> np.ndarray:
    """Reads a mask, white or 1 where pixels were seen, as (H, W, 1) of 0 and 1.

    Args:
        path: An image, or a .npy file with (H, W) or (H, W, 1).

    Raises:
        InputError: It cannot be read, has values that mean nothing, or sees nothing.
    """
    if path.endswith(".npy"):
        try:
            mask = np.load(path, allow_pickle=False).astype(np.float32)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"--mask={path}: cannot be read, expected a .npy array or an image"
            ) from error
        if mask.ndim not in (2, 3) or mask.shape[2:] not in ((), (1,)):
            raise InputError(
                f"--mask={path}: has shape {mask.shape}, expected (height, width)"
            )
        mask = mask.reshape(*mask.shape[:2], 1)
        if not np.isfinite(mask).all():
            raise InputError(f"--mask={path}: has NaN or infinity, expected 0 and 1")
        mask = mask / max(float(mask.max()), 1e-30)
    else:
        mask = read_image(path, "--mask").pixels.mean(-1, keepdims=True)
    mask = (mask > 0.5).astype(np.float32)
    if not mask.any():
        raise InputError(
            f"--mask={path}: is black everywhere, expected white where pixels were"
            " seen; invert it"
        )
    return mask
