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


def test_images(config: Any, prior: Any = None) -> Images:
    """The images of --images by name, as a prior takes them, (H, W, C) in [0, 1].

    Raises:
        InputError: no such folder, no image in it, or one that cannot be used.
    """
    return _read("--images", config.images, config.max_images, config.crop, prior)


def validation_images(config: Any, prior: Any = None) -> Images:
    """The images of --val likewise."""
    return _read("--val", config.val, config.val_images, config.val_crop, prior)


def _read(argument: str, folder: str, limit: int, crop: int, prior: Any) -> Images:
    if not Path(folder).is_dir():
        raise InputError(f"{argument}={folder}: no such folder; expected images in it")
    config = getattr(prior, "config", None)
    side = getattr(config, "image_size", 0)
    if side and crop not in (0, side):
        raise InputError(
            f"{argument}: a crop of {crop} was asked for, the prior takes {side}x{side}"
            f" alone; leave the crop away or say {side}"
        )
    images = {}
    for path in list_images(folder, argument)[: limit or None]:
        pixels = fit(read_image(path, argument).pixels, config)
        cropped = centre(pixels, crop, f"{argument}={path}") if crop else pixels
        images[path.stem] = cropped
    return images


def prior_and_images(config: Any, groups: int = 1) -> tuple[Any, Images]:
    """The hierarchical VAE of --prior, of some groups at least, and its test images.

    Raises:
        InputError: unknown, of another kind, or with fewer groups; as `test_images`.
    """
    prior = load_prior(config.prior)
    if not isinstance(prior, HierarchicalVAE) or prior.num_groups < groups:
        least = f" of {groups} or more latent groups" if groups > 1 else ""
        raise InputError(
            f"--prior={config.prior}: is a {type(prior).__name__}, expected a"
            f" hierarchical VAE{least}; take patch-vdvae-natural or vdvae-faces64"
        )
    return prior, test_images(config, prior)


def encoders_for(prior: Any, names: Sequence[str]) -> dict[int, LowResEncoder]:
    """The low-resolution encoders of --encoders by factor; none for "none".

    Raises:
        InputError: unknown, no encoder, or one of another prior.
    """
    encoders: dict[int, LowResEncoder] = {}
    for name in (name for name in names if name != "none"):
        encoder = load_encoder(name, prior, "--encoders")
        factor = encoder.config.factor
        if factor in encoders:
            raise InputError(
                f"--encoders={name}: a second one of factor {factor}, expected one for"
                " each; run the command once for each of them"
            )
        encoders[factor] = encoder
    return encoders


def blurs(
    images: Images, kernel: np.ndarray | str, argument: str = "--kernel"
) -> list[Blur]:
    """The blur of each image.

    Args:
        images: that the kernel must fit into.
        kernel: (h, w), or a file; "": a Gaussian of 1.6 pixels.
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
