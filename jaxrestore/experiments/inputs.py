"""Images and priors, checked before anything is computed."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore import InputError, load_prior
from jaxrestore.data.fitting import centre, fit
from jaxrestore.data.images import list_images, read_image
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.weights import load_encoder, resolve


def read_images(
    folder, argument, limit=0, crop=0, config: Any = None
) -> dict[str, np.ndarray]:
    """Images by name, (H, W, C) float32 in [0, 1].

    Args:
        folder: holds image files.
        argument: what the user calls it, for messages.
        limit: this many; 0: all.
        crop: the central square of that side, in pixels; 0: all.
        config: of the prior that takes them, see `fitting.fit`.

    Raises:
        InputError: no such folder, no image in it, or one that cannot be used.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{argument}={folder}: no such folder; expected images in it")
    images = {}
    for path in list_images(folder, argument)[: limit or None]:
        pixels = fit(read_image(path, argument).pixels, config)
        if crop:
            pixels = centre(pixels, crop, f"{argument}={path}")
        images[path.stem] = pixels
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
    """See `fitting.fit`; a crop from a prior of one image size is a mistake."""
    config = getattr(prior, "config", None)
    side = getattr(config, "image_size", 0)
    if side and crop not in (0, side):
        raise InputError(
            f"{argument}: a crop of {crop} was asked for, the prior takes {side}x{side}"
            f" alone; leave the crop away or say {side}"
        )
    return read_images(folder, argument, limit, crop, config)


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
