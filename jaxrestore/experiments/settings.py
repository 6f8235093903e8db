"""Solver settings of one deblurring problem: kernel, temperature, deviations."""

import numpy as np

from jaxrestore import InputError
from jaxrestore.cli import settings
from jaxrestore.experiments import flags as kinds
from jaxrestore.operators import kernels


def add_settings(parser, temperature: bool = True) -> None:
    """Flags for `kernel_of` and `chosen_for`, with --temperature or without."""
    add = parser.add_argument
    add("--kernel", help="blur kernel, a file; without: Gaussian of 1.6 pixels")
    auto = "without: what solve.py uses"
    if temperature:
        add("--temperature", type=kinds.temperatures, help=f"in (0, 1]; {auto}")
    add("--decoder_std", type=kinds.positive, help=f"of 255; {auto}")
    add("--encoder_noise", type=kinds.number, help=f"of 255, what is told; {auto}")


def chosen_for(task: str, noise: float, flags) -> dict:
    """What the flags say, and what solve.py uses for the rest; of 255.

    Args:
        task: one of `jaxrestore.cli.settings.TASKS`.
        noise: level of 255.
        flags: with those of `add_settings`, as far as they are there.
    """
    auto = settings.interpolate(task, noise / 255)
    chosen = {
        "temperature": auto.temperature,
        "decoder_std": 255 * auto.decoder_std,
        "encoder_noise": 255 * auto.encoder_noise,
    }
    for name in chosen:
        given = getattr(flags, name, None)
        if given is not None:
            chosen[name] = given[0] if isinstance(given, list) else given
    return chosen


def kernel_of(flags, images) -> np.ndarray:
    """The kernel of --kernel, or the Gaussian.

    Raises:
        InputError: unreadable, or larger than an image.
    """
    if flags.kernel:
        kernel = kernels.load_kernel(flags.kernel)
    else:
        kernel = kernels.gaussian(25, 1.6)
    check_fits(kernel, images, f"--kernel={flags.kernel or 'Gaussian'}")
    return kernel


def check_fits(kernel: np.ndarray, images, argument: str) -> None:
    """Refuse a kernel that is larger than one of the images."""
    for name, image in images.items():
        if kernel.shape[0] > image.shape[0] or kernel.shape[1] > image.shape[1]:
            raise InputError(
                f"{argument}: {kernel.shape[0]}x{kernel.shape[1]} pixels, larger than"
                f" image {name} with {image.shape[0]}x{image.shape[1]}; take larger"
                " images or a smaller kernel"
            )
