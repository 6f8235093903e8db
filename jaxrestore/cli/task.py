"""From an image file to the observation that a solver gets."""

import dataclasses
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import operators
from jaxrestore.cli.degradation import Degradation
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.data.images import LoadedImage
from jaxrestore.errors import InputError
from jaxrestore.estimation import estimate_noise
from jaxrestore.likelihoods import GaussianNoise, Observation

# Eight-bit rounding alone is 0.29/255; less than this is not worth believing.
_LEAST_NOISE = 0.5 / 255


@dataclasses.dataclass(frozen=True)
class Problem:
    """One image to restore.

    Attributes:
        observation: what the solver gets, with the channels of its prior.
        observed: (h, w, C) the observation for the eye, C = 1 for grey images.
        clean: (H, W, C) where it is known.
        grey: the image has one channel and comes back with one.
        bit_depth: of the input.
        noise_std: the level that the solver is told.
        notes: for the user, one sentence each.
        key: random key of the image's own, for solvers that draw.
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
        image = np.asarray(self.observation.operator.visible(image))
        return image.mean(-1, keepdims=True) if self.grey else image


class Task:
    """What happened to the images, and what their prior takes.

    Args:
        config: the settings.
        simulate: images are clean and are degraded here.
        prior: of the solver, None where it needs none.

    Raises:
        InputError: the kernel or mask cannot be read or used, or is missing.
    """

    def __init__(self, config: SolveConfig, simulate: bool, prior: Any = None):
        self.config, self.simulate = config, simulate
        self.channels = prior.config.image_channels if prior else None
        self.degradation = Degradation(config)
        self.notes = self.degradation.notes
        boundary, side = config.boundary, getattr(prior, "config", None)
        side = getattr(side, "image_size", None)
        if boundary == "auto":
            boundary = "periodic" if simulate or side else "unknown"
        blurs = self.degradation.kernel is not None
        self.unknown_boundary = blurs and boundary == "unknown"
        if blurs and side and not simulate and config.boundary == "auto":
            self.notes += (
                f"the prior knows images of {side}x{side} alone, which leaves no room"
                " beyond the border: the boundary is taken for periodic",
            )
        if config.task == "mask" and self.degradation.mask is None and not simulate:
            raise InputError(
                "--mask: missing, expected an image that is white where the"
                " observation was seen; give --mask=FILE, or --simulate"
            )

    def contents(self) -> list[Any]:
        """Kernel and mask as read, for fingerprints."""
        found = self.degradation.kernel, self.degradation.mask
        return [array for array in found if array is not None]

    def problem(self, name: str, loaded: LoadedImage) -> Problem:
        """Degrades the image where asked, and poses its restoration.

        Args:
            name: seeds the simulation, together with the config's seed.
            loaded: the clean image or the observation.

        Raises:
            InputError: kernel, mask, factor or noise level do not fit the image.
        """
        seed = jax.random.key(self.config.seed)
        key = jax.random.fold_in(seed, zlib.crc32(name.encode()))
        mask_key, noise_key, own_key = jax.random.split(key, 3)
        mask = self._mask(loaded.pixels.shape, mask_key)
        y, clean = loaded.pixels, None
        if self.simulate:
            y, clean = self._degraded(loaded.pixels, mask, noise_key)
        noise_std, notes = self._noise_std(y, mask)
        grey = y.shape[-1] == 1
        if self.channels == 1 and not grey:
            raise InputError(
                "--prior: knows grey images only and this one has colours, expected a"
                " grey image; convert it or take a colour prior"
            )
        full = np.repeat(y, self.channels or 1, -1) if grey else y
        operator = self._operator(y.shape, mask)
        if self.unknown_boundary:
            operator = operator.unknown_boundary(full.shape)
        return Problem(
            observation=Observation.create(full, operator, noise_std),
            observed=y if mask is None else y * mask,
            clean=clean,
            grey=grey,
            bit_depth=loaded.bit_depth,
            noise_std=noise_std,
            notes=(*loaded.notes, *notes),
            key=own_key,
        )

    def _operator(self, shape: tuple[int, ...], mask) -> operators.LinearOperator:
        """A for an observation's shape."""
        factor = self.degradation.factor
        return self.degradation.operator(shape[0] * factor, shape[1] * factor, mask)

    def _degraded(self, clean: np.ndarray, mask: Any, key: jax.Array):
        """The noisy observation, and the clean image of the same scene.

        With an unknown boundary the observation shows only what no wrapped-around
        pixel has touched (a valid convolution), and the clean image is cut alike.
        """
        height, width = clean.shape[:2]
        factor = self.degradation.factor
        if height % factor or width % factor:
            raise InputError(
                f"--factor={factor}: does not divide the image's {height}x{width},"
                f" expected multiples of it; crop the clean image to"
                f" {height - height % factor}x{width - width % factor} or take"
                " another factor"
            )
        operator = self.degradation.operator(height, width, mask)
        noise = GaussianNoise(np.float32(self.config.simulated_noise_std or 0))
        y = Observation.simulate(key, jnp.asarray(clean), operator, noise).y
        y = np.asarray(y)
        return self.degradation.valid(y, clean) if self.unknown_boundary else (y, clean)

    def _mask(self, shape: tuple[int, ...], key: jax.Array) -> np.ndarray | None:
        if self.config.task != "mask":
            return None
        if self.degradation.mask is None:
            seen = jax.random.uniform(key, (*shape[:2], 1))
            return np.asarray(seen >= self.config.mask.missing, np.float32)
        self.degradation.check_mask(*shape[:2])
        return self.degradation.mask

    def _noise_std(self, y: np.ndarray, mask: Any) -> tuple[float, list[str]]:
        """The level that the solver is told, and what to tell the user of it."""
        told = self.config.noise_std
        if told == "auto" and self.simulate:
            told = self.config.simulated_noise_std or _LEAST_NOISE
        if told != "auto":
            return told, []
        found = estimate_noise(y, mask)
        if found is None:
            raise InputError(
                "--noise_std=auto: too few neighbouring pixels were seen to estimate"
                " the noise, expected a number; give the level, such as"
                " --noise_std=3/255"
            )
        estimate = found.std
        text = f"noise level estimated at {255 * estimate:.2f}/255"
        if estimate < _LEAST_NOISE:
            text += f", {255 * _LEAST_NOISE:g}/255 assumed"
        return max(estimate, _LEAST_NOISE), [text]
