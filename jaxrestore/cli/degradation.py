"""What happened to the images, as operators: kernels and masks from settings."""

from typing import Any

import numpy as np

from jaxrestore import operators
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.data.images import read_image
from jaxrestore.errors import InputError
from jaxrestore.operators import kernels


class Degradation:
    """The operator A of a task, with the files read that describe it.

    Attributes:
        factor: by which the observation is smaller than the image.
        kernel: (kh, kw) or None.
        mask: (H, W, 1) or None, white where the image was seen.
        notes: for the user, one sentence each.

    Raises:
        InputError: the kernel or mask cannot be read or used.
    """

    def __init__(self, config: SolveConfig):
        self.task = config.task
        self.factor = config.factor if config.task == "downsample" else 1
        blurs = config.task in ("blur", "downsample")
        self.kernel = _kernel(config) if blurs else None
        self.mask = read_mask(config.mask.path) if config.mask.path else None
        self.notes: tuple[str, ...] = ()
        if self.kernel is not None and config.kernel.kind == "file":
            self.notes = _oddities(config.kernel.path, self.kernel)

    def operator(self, height: int, width: int, mask: Any) -> operators.LinearOperator:
        """A for images of a size, periodic.

        Raises:
            InputError: the kernel or the mask does not fit the size.
        """
        if self.task == "identity":
            return operators.Identity()
        if self.task == "mask":
            return operators.Mask(mask)
        kernel: Any = self.kernel
        rows, columns = kernel.shape
        if rows > height or columns > width:
            raise InputError(
                f"--kernel: {rows}x{columns} is larger than the image's"
                f" {height}x{width}; crop the kernel to its support or take a"
                " smaller --config.kernel.size"
            )
        if self.task == "blur":
            return operators.Blur(kernel)
        return operators.Downsample(kernel, self.factor)

    def check_mask(self, height: int, width: int) -> None:
        """Refuse a mask file of another size than the image's."""
        if self.mask is not None and self.mask.shape[:2] != (height, width):
            raise InputError(
                f"--mask: is {self.mask.shape[0]}x{self.mask.shape[1]}, expected the"
                f" image's {height}x{width}; resize the mask without smoothing"
            )

    def valid(self, y: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What no wrapped-around pixel has touched, and the clean image cut alike.

        Raises:
            InputError: nothing is left.
        """
        kernel: Any = self.kernel
        margins = [-(-(side // 2) // self.factor) for side in kernel.shape]
        inner = [slice(m, n - m) for m, n in zip(margins, y.shape, strict=False)]
        if any(part.stop <= part.start for part in inner):
            raise InputError(
                f"--kernel: {kernel.shape[0]}x{kernel.shape[1]} leaves nothing of the"
                f" image's {clean.shape[0]}x{clean.shape[1]} untouched by the border;"
                " take a larger image or --config.boundary=periodic"
            )
        outer = [slice(p.start * self.factor, p.stop * self.factor) for p in inner]
        return y[tuple(inner)], clean[tuple(outer)]


def _kernel(config: SolveConfig) -> np.ndarray:
    """The kernel that the settings describe.

    Raises:
        InputError: it cannot be read or has no use in the task.
    """
    own = config.kernel
    if own.kind == "bicubic":
        if config.task != "downsample":
            raise InputError(
                f"config.kernel.kind=bicubic: has no use with task {config.task},"
                " expected downsample; take another kernel"
            )
        return kernels.bicubic(config.factor)
    makers = {
        "file": lambda: kernels.load_kernel(own.path),
        "gaussian": lambda: kernels.gaussian(own.size, own.std),
        "anisotropic_gaussian": lambda: kernels.anisotropic_gaussian(
            own.size, own.stds, np.deg2rad(own.angle)
        ),
        "uniform": lambda: kernels.uniform(own.size),
        "motion": lambda: kernels.motion(own.size, own.seed),
    }
    return makers[own.kind]()


def _oddities(path: str, kernel: np.ndarray) -> tuple[str, ...]:
    """What a kernel file has that blur kernels seldom have."""
    notes = []
    if (kernel < 0).any():
        notes.append("some weights are negative, which no blur has")
    if path.lower().endswith(".png") and read_image(path).pixels.shape[-1] == 3:
        notes.append("the picture is in colour, its brightness is taken")
    places = np.indices(kernel.shape).reshape(2, -1)
    middle = np.array(kernel.shape) // 2
    off = places @ kernel.ravel() / kernel.sum() - middle
    if np.abs(off).max() > 1:
        notes.append(
            f"its centre of mass is {off[0]:+.1f}, {off[1]:+.1f} pixels (down, right)"
            " off its middle: the result will be shifted against the observation"
        )
    return tuple(f"--kernel={path}: {note}" for note in notes)


def read_mask(path: str) -> np.ndarray:
    """Reads a mask, white or 1 where pixels were seen, as (H, W, 1) of 0 and 1.

    Args:
        path: an image, or a .npy file with (H, W) or (H, W, 1).

    Raises:
        InputError: it cannot be read, has values that mean nothing, or sees nothing.
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
