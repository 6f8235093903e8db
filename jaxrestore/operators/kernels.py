"""Blur kernels: float32 numpy arrays (kh, kw) of sum 1, centre at shape // 2."""

import math
from pathlib import Path

import numpy as np

from jaxrestore.errors import InputError

Size = int | tuple[int, int]


def gaussian(size: Size, std: float) -> np.ndarray:
    """Isotropic Gaussian of standard deviation std > 0, in pixels."""
    return anisotropic_gaussian(size, (std, std), 0.0)


def anisotropic_gaussian(
    size: Size, stds: tuple[float, float], angle: float
) -> np.ndarray:
    """Gaussian with two principal axes.

    Args:
      size: side, or (height, width), in pixels.
      stds: standard deviations along the first and second axis, > 0, in pixels.
      angle: of the first axis, in radians, counter-clockwise from the row direction
        (the horizontal) as the image is displayed.
    """
    if len(stds) != 2 or not all(math.isfinite(std) and std > 0 for std in stds):
        raise InputError(
            f"standard deviation {tuple(stds)} of a Gaussian kernel; expected > 0 "
            "pixels; use Identity for no blur"
        )
    if not math.isfinite(angle):
        raise InputError(f"angle={angle}; expected a finite number of radians")
    height, width = _pair(size)
    rows, columns = np.ogrid[:height, :width]
    rows, columns = rows - height // 2, columns - width // 2
    along = columns * math.cos(angle) - rows * math.sin(angle)
    across = columns * math.sin(angle) + rows * math.cos(angle)
    return normalise(np.exp(-0.5 * ((along / stds[0]) ** 2 + (across / stds[1]) ** 2)))


def bicubic(factor: int) -> np.ndarray:
    """Antialiased bicubic reduction, for `Downsample` by the same factor.

    Keys' cubic (a = -1/2), stretched by the factor, around the centre of each block
    of factor x factor pixels: what MATLAB's imresize and Pillow do to the inside of
    an image. Here the border is periodic.

    Args:
      factor: whole number >= 1; the kernel has a side of about 5 times as much.
    """
    check_factor(factor)
    middle = (factor - 1) / 2  # of a block, where Downsample keeps its first pixel
    radius = math.ceil(2 * factor + middle) - 1
    t = np.abs(np.arange(-radius, radius) + middle) / factor
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    weights = np.where(t < 1, near, np.where(t < 2, far, 0.0))
    return normalise(np.outer(weights, weights))


def uniform(size: Size) -> np.ndarray:
    """Box of equal weights."""
    return normalise(np.ones(_pair(size)))


def motion(
    size: Size, seed: int, *, length: float | None = None, bend: float = 0.5
) -> np.ndarray:
    """Camera shake: exposure along a smooth random trajectory.

    The direction of travel makes a random walk, the speed varies smoothly, and the
    trajectory is centred on its centroid.

    Args:
      size: side, or (height, width), in pixels; at least 2.
      seed: of the trajectory.
      length: longer side of the trajectory's bounding box in pixels, > 0 and less
        than the smaller side of the kernel; 0.7 of that side by default.
      bend: 0 for a straight line; at 0.5 the direction turns by about one radian.
    """
    height, width = _pair(size)
    room = min(height, width) - 1
    length = 0.7 * room if length is None else length
    if not 0 < length <= room:
        raise InputError(
            f"length={length} of a motion kernel of {height}x{width}; expected in "
            f"(0, {room}]; enlarge size or shorten length"
        )
    if not (math.isfinite(bend) and bend >= 0):
        raise InputError(f"bend={bend}; expected a finite number >= 0")
    path = _trajectory(np.random.default_rng(seed), bend)
    extent = np.ptp(path, axis=0)
    path *= length / extent.max()
    # The centroid goes to the centre as far as the support allows.
    centre = np.array([height // 2, width // 2])
    path += centre - path.mean(axis=0)
    upper = np.array([height, width]) - 1
    path -= np.maximum(path.max(axis=0) - upper, 0) + np.minimum(path.min(axis=0), 0)
    return normalise(_splat(path, (height, width)))


def defocus(size: Size, radius: float) -> np.ndarray:
    """A disc, what a lens out of focus makes of a point.

    Each weight is the part of its pixel that the disc covers (8 x 8 samples).

    Args:
      size: side, or (height, width), in pixels.
      radius: > 0, in pixels.
    """
    _check_length("radius", radius)
    height, width = _pair(size)
    fine = (np.arange(8) + 0.5) / 8 - 0.5
    rows = (np.arange(height)[:, None] - height // 2 + fine).ravel() ** 2
    columns = (np.arange(width)[:, None] - width // 2 + fine).ravel() ** 2
    covered = rows[:, None] + columns <= radius**2
    return normalise(covered.reshape(height, 8, width, 8).sum((1, 3)))


def line(size: Size, length: float, angle: float) -> np.ndarray:
    """Straight motion at constant speed.

    Args:
      size: side, or (height, width), in pixels; at least 2.
      length: of the path, > 0, in pixels; what lies outside of the size is cut off.
      angle: in radians, as of `anisotropic_gaussian`.
    """
    _check_length("length", length)
    height, width = _pair(size)
    along = np.linspace(-length / 2, length / 2, 50 * math.ceil(length) + 1)
    rows = height // 2 - along * math.sin(angle)
    columns = width // 2 + along * math.cos(angle)
    kept = (np.abs(rows - (height - 1) / 2) <= (height - 1) / 2) & (
        np.abs(columns - (width - 1) / 2) <= (width - 1) / 2
    )
    return normalise(_splat(np.stack([rows, columns], 1)[kept], (height, width)))


def _check_length(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name}={value} of a kernel; expected > 0 pixels")


def load_kernel(path: str | Path) -> np.ndarray:
    """Reads a kernel from a .npy, .png or .mat file and normalises it to sum 1.

    A picture's grey values are the weights. A .mat file holds one 2-D numeric array,
    or several of which one is called kernel, k, psf or f.

    Raises:
      InputError: missing or unreadable file, unknown suffix, or an array that
        `normalise` refuses.
    """
    path = Path(path)
    readers = {".npy": np.load, ".png": _read_png, ".mat": _read_mat}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"kernel file {path} has suffix {path.suffix!r}; expected one of "
            f"{', '.join(readers)}"
        )
    if not path.is_file():
        raise InputError(f"kernel file {path} does not exist; check the path")
    try:
        array = reader(path)
    except InputError:
        raise
    except Exception as error:  # Readers raise whatever a damaged file provokes.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"kernel file {path} cannot be read as {path.suffix} ({reason}); "
            "save the kernel again"
        ) from error
    return normalise(array, name=f"kernel file {path}")


def normalise(kernel: np.ndarray, name: str = "kernel") -> np.ndarray:
    """Checks a kernel and scales it to sum 1.

    Args:
      kernel: (kh, kw), finite, with a positive sum; negative entries are allowed.
      name: what error messages call it.
    """
    kernel = np.asarray(kernel)
    if kernel.dtype.kind not in "buif":
        raise InputError(
            f"{name} has dtype {kernel.dtype}; expected real numbers; convert it first"
        )
    if kernel.ndim != 2 or kernel.size == 0:
        raise InputError(
            f"{name} has shape {kernel.shape}; expected (height, width), not empty; "
            "select one 2-D kernel"
        )
    kernel = kernel.astype(np.float64)
    if not np.isfinite(kernel).all():
        raise InputError(
            f"{name} holds NaN or infinite values; expected finite weights"
        )
    total = kernel.sum()
    if total <= 1e-6 * np.abs(kernel).sum():
        raise InputError(
            f"{name} sums to {total:g}; expected a positive sum, so that it can be "
            "scaled to 1; check the kernel's sign and content"
        )
    return (kernel / total).astype(np.float32)


def _pair(size: Size) -> tuple[int, int]:
    pair = tuple(size) if isinstance(size, tuple | list) else (size, size)
    whole = all(isinstance(side, int | np.integer) and side >= 1 for side in pair)
    if len(pair) != 2 or not whole:
        raise InputError(
            f"size={size!r} of a kernel; expected a whole number >= 1 or a pair of them"
        )
    return int(pair[0]), int(pair[1])


def check_factor(factor: object) -> None:
    """Refuses what is no factor of a reduction."""
    if not isinstance(factor, int | np.integer) or factor < 1:
        raise InputError(f"factor={factor!r}; expected a whole number >= 1")


def _trajectory(rng: np.random.Generator, bend: float, steps: int = 2000) -> np.ndarray:
    """Points (steps, 2) in (row, column), equally spaced in time."""
    walk = np.cumsum(rng.standard_normal((2, steps)), axis=1) / math.sqrt(steps)
    direction = rng.uniform(0, 2 * math.pi) + 2 * bend * walk[0]
    speed = np.exp(0.5 * walk[1])
    velocity = speed * np.stack([np.sin(direction), np.cos(direction)])
    return np.cumsum(velocity, axis=1).T


def _splat(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Histogram of points with bilinear weights."""
    image = np.zeros(shape)
    base = np.clip(np.floor(points).astype(int), 0, np.maximum(np.array(shape) - 2, 0))
    fraction = points - base
    for offset in np.ndindex(2, 2):
        weight = np.prod(np.abs(1 - np.array(offset) - fraction), axis=1)
        np.add.at(image, tuple((base + offset).T), weight)
    return image


def _read_png(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        grey = image if image.mode.startswith(("I", "F", "L")) else image.convert("L")
        array = np.asarray(grey, np.float64)
    return array if array.ndim == 2 else array[..., 0]


def _read_mat(path: Path) -> np.ndarray:
    from scipy.io import loadmat

    arrays = {
        name: value
        for name, value in loadmat(path).items()
        if np.ndim(value) == 2 and np.asarray(value).dtype.kind in "buif"
    }
    named = [name for name in ("kernel", "k", "psf", "f") if name in arrays]
    if len(arrays) != 1 and not named:
        raise InputError(
            f"kernel file {path} holds the 2-D arrays {sorted(arrays)}; expected one, "
            "or one called kernel, k, psf or f; save the kernel alone"
        )
    return arrays[named[0]] if named else next(iter(arrays.values()))
