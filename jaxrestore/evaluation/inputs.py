"""Images, kernels and priors, checked before anything is computed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrestore.data.fitting import centre, fit
from jaxrestore.data.images import list_images, read_image
from jaxrestore.errors import InputError
from jaxrestore.operators import Blur, kernels
from jaxrestore.priors import LowResEncoder, load_encoder, load_prior
from jaxrestore.priors.hvae.base import HierarchicalVAE

Images = Mapping[str, np.ndarray]

_FORMULAS = {"gaussian": (kernels.gaussian, 1.6), "motion": (kernels.motion, 0)}


def read_images(folder, argument: str, limit=0, crop=0, config: Any = None) -> Images:
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
    side = getattr(config, "image_size", 0)
    if side and crop not in (0, side):
        raise InputError(
            f"{argument}: a crop of {crop} was asked for, the prior takes {side}x{side}"
            f" alone; leave the crop away or say {side}"
        )
    images = {}
    for path in list_images(folder, argument)[: limit or None]:
        pixels = fit(read_image(path, argument).pixels, config)
        images[path.stem] = (
            centre(pixels, crop, f"{argument}={path}") if crop else pixels
        )
    return images


def test_images(prior: Any, config: Any) -> Images:
    """The images of --images as a prior takes them, with --max_images and --crop."""
    own = getattr(prior, "config", None)
    return read_images(config.images, "--images", config.max_images, config.crop, own)


def validation_images(prior: Any, config: Any) -> Images:
    """The images of --val likewise."""
    own = getattr(prior, "config", None)
    return read_images(config.val, "--val", config.val_images, config.val_crop, own)


def hierarchical_prior(name: str, experiment: str, groups: int = 1) -> Any:
    """The hierarchical VAE of --prior.

    Args:
        name: bundled name or file.
        experiment: for the message.
        groups: how many latent groups it must have at least.

    Raises:
        InputError: unknown, of another kind, or with fewer groups.
    """
    prior = load_prior(name)
    if not isinstance(prior, HierarchicalVAE) or prior.num_groups < groups:
        least = f" of {groups} or more latent groups" if groups > 1 else ""
        raise InputError(
            f"--prior={name}: is a {type(prior).__name__}, {experiment} needs a"
            f" hierarchical VAE{least}; take patch-vdvae-natural or vdvae-faces64"
        )
    return prior


def encoders_for(prior: Any, names: Sequence[str]) -> dict[int, LowResEncoder]:
    """The low-resolution encoders of --encoders by factor; none for "none".

    Raises:
        InputError: unknown, no encoder, or one of another prior.
    """
    encoders: dict[int, LowResEncoder] = {}
    for name in names:
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


def blurs(kernel: np.ndarray | str, images: Images, argument: str) -> list[Blur]:
    """The blur of each image.

    Args:
        kernel: (h, w), or a file; "": a Gaussian of 1.6 pixels.
        images: that it must fit into.
        argument: what the user calls it, for messages.

    Raises:
        InputError: unreadable, or larger than an image.
    """
    if isinstance(kernel, str):
        kernel = kernels.load_kernel(kernel) if kernel else kernels.gaussian(25, 1.6)
    for name, image in images.items():
        if kernel.shape[0] > image.shape[0] or kernel.shape[1] > image.shape[1]:
            raise InputError(
                f"{argument}: {kernel.shape[0]}x{kernel.shape[1]} pixels, larger than"
                f" image {name} with {image.shape[0]}x{image.shape[1]}; take larger"
                " images or a smaller kernel"
            )
    return [Blur(jnp.asarray(kernel))] * len(images)


def read_kernels(folder: str, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """The blur kernels of --kernels and --ids by name.

    Raises:
        InputError: a file is missing or no kernel, or an unknown name.
    """
    if folder:
        names = ids or ("4", "7", "9", "11")
        return {n: kernels.load_kernel(Path(folder) / f"{n}.npy") for n in names}
    for name in ids:
        if name not in _FORMULAS:
            raise InputError(
                f"--ids={name}: without --kernels=DIR expected {', '.join(_FORMULAS)}"
            )
    return {n: _FORMULAS[n][0](25, _FORMULAS[n][1]) for n in ids or _FORMULAS}
