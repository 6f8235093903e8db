"""From settings and an image file to the observation that a solver gets."""

import dataclasses
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import operators
from jaxrestore.cli.levels import parse_level
from jaxrestore.cli.masks import read_mask
from jaxrestore.data.images import LoadedImage
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.metrics import estimate_noise_std
from jaxrestore.operators import kernels

# Eight-bit rounding alone is 0.29/255; less than this is not worth believing.
_LEAST_NOISE = 0.5 / 255
_SOLVER = 2  # makes the solver's key, beside the two of mask and noise


@dataclasses.dataclass(frozen=True)
class Problem:
    """One image to restore.

    Attributes:
        observation: What the solver gets; three channels.
        observed: (h, w, C) the observation for the eye, C = 1 for grey images.
        clean: (H, W, C) where it is known.
        grey: The image has one channel and comes back with one.
        bit_depth: Of the input.
        noise_std: The level that the solver is told.
        notes: For the user, one sentence each.
        key: Random key of the image's own, for solvers that draw.
    """

    observation: Observation
    observed: np.ndarray
    clean: np.ndarray | None
    grey: bool
    bit_depth: int
    noise_std: float
    notes: tuple[str, ...]
    key: jax.Array

    def crop(self, image: Any) -> np.ndarray:
        """The user's part of a solver's image, in the user's number of channels."""
        operator = self.observation.operator
        image = np.asarray(operators.visible_part(operator, image))
        return image.mean(-1, keepdims=True) if self.grey else image


class Task:
    """What happened to the images, with the files that say so read.

    Args:
        config: Validated settings.
        simulate: Images are clean and are degraded here.
        channels: Of the prior's images, 3 or 1.

    Raises:
        InputError: The kernel or mask cannot be read or used.
    """

    def __init__(self, config: Any, simulate: bool, channels: int = 3):
        self.config = config
        self.channels = channels
        self.simulate = simulate
        boundary = config.boundary
        if boundary == "auto":
            boundary = "periodic" if simulate else "unknown"
        blurs = config.task in ("blur", "downsample")
        self.unknown_boundary = blurs and boundary == "unknown"
        self.kernel: Any = blur_kernel(config) if blurs else None
        self.mask = None
        if config.task == "mask":
            if config.mask.path:
                self.mask = read_mask(config.mask.path)
            elif not simulate:
                raise InputError(
                    "--mask: missing, expected an image that is white where the"
                    " observation was seen; give --mask=FILE, or --simulate"
                )

    def contents(self) -> list[Any]:
        """Kernel and mask as read, for fingerprints."""
        return [a for a in (self.kernel, self.mask) if a is not None]

    def problem(self, name: str, loaded: LoadedImage) -> Problem:
        """Degrades the image where asked, and poses its restoration.

        Args:
            name: Seeds the simulation, together with the config's seed.
            loaded: The clean image or the observation.

        Raises:
            InputError: Kernel, mask, factor or noise level do not fit the image.
        """
        pixels = loaded.pixels
        key = jax.random.fold_in(
            jax.random.key(self.config.seed), zlib.crc32(name.encode())
        )
        mask_key, noise_key = jax.random.split(key)
        mask = self._mask(pixels.shape, mask_key)
        y, clean, notes = pixels, None, list(loaded.notes)
        if self.simulate:
            y, clean = self._degrade(pixels, mask, noise_key)
        noise_std, note = self._noise_std(y, mask)
        operator = self._model(y.shape, mask)
        grey = y.shape[-1] == 1
        if self.channels == 1 and not grey:
            raise InputError(
                "--prior: knows grey images only and this one has colours, expected a"
                " grey image; convert it or take a colour prior"
            )
        full = np.repeat(y, self.channels, -1) if grey else y
        return Problem(
            observation=Observation.create(full, operator, noise_std),
            observed=y if mask is None else y * mask,
            clean=clean,
            grey=grey,
            bit_depth=loaded.bit_depth,
            noise_std=noise_std,
            notes=(*notes, note) if note else tuple(notes),
            key=jax.random.fold_in(key, _SOLVER),
        )

    def _degrade(
        self, clean: np.ndarray, mask: Any, key: jax.Array
    ) -> tuple[np.ndarray, np.ndarray]:
        """The noisy observation, and the clean image of the same scene.

        With an unknown boundary the observation shows only what no wrapped-around
        pixel has touched (a valid convolution), and the clean image is cut alike.
        """
        height, width = clean.shape[:2]
        factor = self.config.factor
        if self.config.task == "downsample" and (height % factor or width % factor):
            raise InputError(
                f"--factor={factor}: does not divide the image's {height}x{width},"
                f" expected multiples of it; crop the clean image to"
                f" {height - height % factor}x{width - width % factor} or take"
                " another factor"
            )
        self._check_kernel(height, width)
        y = np.asarray(self._operator(mask)(jnp.asarray(clean)))
        level = parse_level(self.config.simulated_noise_std, "--noise_std", "none")
        level = 0.0 if level == "none" else level
        noise = jax.random.normal(key, y.shape)
        y = y + np.float32(level) * np.asarray(noise)
        return self._untouched(y, clean) if self.unknown_boundary else (y, clean)

    def _untouched(
        self, y: np.ndarray, clean: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        factor = self.config.factor if self.config.task == "downsample" else 1
        margins = [-(-(side // 2) // factor) for side in self.kernel.shape]
        inner = [slice(m, n - m) for m, n in zip(margins, y.shape, strict=False)]
        if any(part.stop <= part.start for part in inner):
            rows, columns = self.kernel.shape
            raise InputError(
                f"--kernel: {rows}x{columns} leaves nothing of the image's"
                f" {clean.shape[0]}x{clean.shape[1]} untouched by the border; take a"
                " larger image or --config.boundary=periodic"
            )
        outer = [slice(p.start * factor, p.stop * factor) for p in inner]
        return y[tuple(inner)], clean[tuple(outer)]

    def _model(self, shape: tuple[int, ...], mask: Any) -> operators.Operator:
        """The operator that the solver is told, for an observation's shape."""
        factor = self.config.factor if self.config.task == "downsample" else 1
        self._check_kernel(shape[0] * factor, shape[1] * factor)
        operator = self._operator(mask)
        if self.unknown_boundary:
            return operators.unknown_boundary(operator, (*shape[:2], self.channels))
        return operator

    def _operator(self, mask: Any) -> operators.Operator:
        task = self.config.task
        if task == "blur":
            return operators.Blur(self.kernel)
        if task == "downsample":
            return operators.Downsample(self.kernel, self.config.factor)
        return operators.Mask(mask) if task == "mask" else operators.Identity()

    def _check_kernel(self, height: int, width: int) -> None:
        if self.kernel is None:
            return
        rows, columns = self.kernel.shape
        if rows > height or columns > width:
            raise InputError(
                f"--kernel: {rows}x{columns} is larger than the image's"
                f" {height}x{width}; crop the kernel to its support or take a"
                " smaller --config.kernel.size"
            )

    def _mask(self, shape: tuple[int, ...], key: jax.Array) -> np.ndarray | None:
        if self.config.task != "mask":
            return None
        if self.mask is None:
            seen = jax.random.uniform(key, (*shape[:2], 1))
            return np.asarray(seen >= self.config.mask.missing, np.float32)
        if self.mask.shape[:2] != shape[:2]:
            raise InputError(
                f"--mask={self.config.mask.path}: is"
                f" {self.mask.shape[0]}x{self.mask.shape[1]}, expected the image's"
                f" {shape[0]}x{shape[1]}; resize the mask without smoothing"
            )
        return self.mask

    def _noise_std(self, y: np.ndarray, mask: Any) -> tuple[float, str]:
        """The level that the solver is told, and what to tell the user of it."""
        level = parse_level(self.config.noise_std, "--noise_std", "auto")
        if level == "auto" and self.simulate:
            level = parse_level(self.config.simulated_noise_std, "--noise_std", "none")
            level = _LEAST_NOISE if level == "none" else level
        if level != "auto":
            return float(level), ""
        estimate = estimate_noise_std(y, mask)
        if estimate is None:
            raise InputError(
                "--noise_std=auto: too few neighbouring pixels were seen to estimate"
                " the noise, expected a number; give the level, such as"
                " --noise_std=3/255"
            )
        text = f"noise level estimated at {255 * estimate:.2f}/255"
        if estimate < _LEAST_NOISE:
            text += f", {255 * _LEAST_NOISE:g}/255 assumed"
        return max(estimate, _LEAST_NOISE), text


def blur_kernel(settings: Any) -> np.ndarray:
    """The kernel that validated settings describe.

    Raises:
        InputError: It cannot be read or has no use in the task.
    """
    config = settings.kernel
    if config.kind == "bicubic":
        if settings.task != "downsample":
            raise InputError(
                f"config.kernel.kind=bicubic: has no use with task {settings.task},"
                " expected downsample; take another kernel"
            )
        return kernels.bicubic(settings.factor)
    if config.kind == "file":
        return kernels.load_kernel(config.path)
    if config.kind == "gaussian":
        return kernels.gaussian(config.size, config.std)
    if config.kind == "anisotropic_gaussian":
        angle = np.deg2rad(config.angle)
        return kernels.anisotropic_gaussian(config.size, tuple(config.stds), angle)
    if config.kind == "uniform":
        return kernels.uniform(config.size)
    return kernels.motion(config.size, config.seed)
