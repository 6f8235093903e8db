"""Images and priors, checked before anything is computed."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore import InputError, load_prior
from jaxrestore.data.images import list_images, read_image
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.weights import load_encoder, resolve

_LUMA = np.array([[0.299], [0.587], [0.114]], np.float32)


def read_images(folder, argument, limit=0, crop=0, channels=3) -> dict[str, np.ndarray]:
    """Images by name, (H, W, channels) float32 in [0, 1].

    Args:
        folder: holds image files.
        argument: what the user calls it, for messages.
        limit: this many; 0: all.
        crop: the central square of that side, in pixels; 0: all.
        channels: 3, or 1 for the luma of colour images.

    Raises:
        InputError: no such folder, no image in it, or one that cannot be used.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{argument}={folder}: no such folder; expected images in it")
    images = {}
    for path in list_images(folder, argument)[: limit or None]:
        pixels = read_image(path, argument).pixels
        if channels == 1 and pixels.shape[-1] == 3:
            pixels = pixels @ _LUMA
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], channels))
        if crop:
            top, left = ((size - crop) // 2 for size in pixels.shape[:2])
            if min(pixels.shape[:2]) < crop:
                raise InputError(
                    f"{argument}={path}: {pixels.shape[0]}x{pixels.shape[1]} pixels,"
                    f" smaller than the crop of {crop}; lower it"
                )
            pixels = pixels[top : top + crop, left : left + crop]
        images[path.stem] = np.ascontiguousarray(pixels)
    return images


def hierarchical_prior(name: str, experiment: str, groups: int = 1) -> Any:
    """The hierarchical VAE of --prior.

    Args:
        name: bundled name or file.
        experiment: for the message.
        groups: how many latent groups it must have at least.

    Raises:
        InputError: unknown, of another kind, or with fewer groups.
    """
    resolve(name)
    prior = load_prior(name)
    if not isinstance(prior, HierarchicalVAE) or prior.num_groups < groups:
        least = f" of {groups} or more latent groups" if groups > 1 else ""
        raise InputError(
            f"--prior={name}: is a {type(prior).__name__}, {experiment} needs a"
            f" hierarchical VAE{least}; take patch-vdvae-natural or vdvae-faces64"
        )
    return prior


def images_for(prior: Any, flags: argparse.Namespace) -> dict[str, np.ndarray]:
    """The images of --images as the prior takes them, with --max_images and --crop."""
    return _fitting(prior, flags.images, "--images", flags.max_images, flags.crop)


def validation_for(prior: Any, flags: argparse.Namespace) -> dict[str, np.ndarray]:
    """The images of --val as the prior takes them."""
    return _fitting(prior, flags.val, "--val", flags.val_images, flags.val_crop)


def _fitting(prior, folder, argument, limit, crop) -> dict[str, np.ndarray]:
    """Priors of one image size get the central square of that side."""
    config = getattr(prior, "config", None)
    side = getattr(config, "image_size", 0)
    if side and crop not in (0, side):
        raise InputError(
            f"{argument}: a crop of {crop} was asked for, the prior takes {side}x{side}"
            f" alone; leave the crop away or say {side}"
        )
    channels = getattr(config, "image_channels", 3)
    return read_images(folder, argument, limit, side or crop, channels)


def told(prior: Any, level: float | None) -> float | None:
    """A noise level (of 255) as the encoder is told it, [0, 1] units.

    None where the prior has no such input, or for None.
    """
    config = getattr(prior, "config", None)
    listens = getattr(config, "noise_input", False)
    return level / 255 if listens and level is not None else None


def encoders_for(prior: Any, flags: argparse.Namespace) -> dict[int, LowResEncoder]:
    """The low-resolution encoders of --encoders by factor; none for "none".

    Raises:
        InputError: unknown, no encoder, or one of another prior.
    """
    encoders: dict[int, LowResEncoder] = {}
    for name in flags.encoders:
        if name == "none":
            continue
        encoder = load_encoder(name, prior, "--encoders")
        factor = encoder.config.factor
        if factor in encoders:
            raise InputError(
                f"--encoders={name}: a second one of factor {factor}, expected one for"
                " each; run the command once for each of them"
            )
        encoders[factor] = encoder
    return encoders
