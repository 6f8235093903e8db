"""From an image file to the observation that a solver gets."""

import contextlib
import dataclasses
import math
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import operators
from jaxrestore.cli.degradation import Degradation
from jaxrestore.cli.levels import Levels, levels
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.data.images import LoadedImage
from jaxrestore.data.jpeg import JPEGFile, compressed
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import (
    GaussianNoise,
    Observation,
    jpeg_observation,
    project_box,
)
from jaxrestore.likelihoods.framed import framed, measured_canvas
from jaxrestore.operators.canvases import canvases, smallest

_NOISE_FREE = 1 / 255  # before compression: with more, its cells hold the noise, too
_NOT_JPEG = (
    "not a JPEG file: what compression did before it was converted is not undone;"
    " pass the .jpg itself"
)


@dataclasses.dataclass(frozen=True)
class Problem:
    """One image to restore.

    Attributes:
        observed: (h, w, C) the observation for the eye, C = 1 for grey images.
        full: (h, w, C') the same with the channels of the solver's prior.
        operator: A, which acts on pixels.
        degradation: what A was made of.
        levels: of the noise.
        jpeg: the file's coefficients, where it is one.
        clean: (H, W, C) where it is known.
        bit_depth: of the input.
        notes: for the user, one sentence each.
        key: random key of the image's own, for solvers that draw.
        canvas: (h, w) of a larger observation that this one is put into, or None.
    """

    observed: np.ndarray
    full: np.ndarray
    operator: operators.LinearOperator
    degradation: Degradation
    levels: Levels
    jpeg: JPEGFile | None
    clean: np.ndarray | None
    bit_depth: int
    notes: tuple[str, ...]
    key: jax.Array
    canvas: tuple[int, int] | None = None

    @property
    def observation(self) -> Observation:
        """y with A and the noise, of its own size."""
        return Observation.create(self.full, self.operator, self.noise_std)

    @property
    def posed(self) -> Observation:
        """What the solver gets: the observation, on its canvas where it has one."""
        own = self.observation
        return framed(own, self.canvas) if self.canvas else own

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W, C) of the solver's image."""
        if self.canvas:
            return self.posed.image_shape
        return self.operator.input_shape(self.full.shape)

    def cut(self, image: Any) -> Any:
        """A solver's image as `operator` takes it, without what a canvas adds."""
        if not self.canvas:
            return image
        height, width, _ = self.operator.input_shape(self.full.shape)
        return np.asarray(image)[:height, :width]

    def placed(self, canvases: Sequence[tuple[int, int]]) -> "Problem":
        """On the smallest of some canvases, sorted; as it is where none suits."""
        size = measured_canvas(self.operator, self.full.shape)
        found = smallest(size, canvases) if size else None  # type: ignore[arg-type]
        return dataclasses.replace(self, canvas=found)

    def shared(self, devices: int, stride: int) -> "Problem":
        """On a canvas whose rows, of image and observation, so many devices share.

        Args:
            devices: how many.
            stride: of the prior; each device has multiples of it.

        Raises:
            InputError: the task has no canvas, and the height is no multiple.
        """
        size = self.canvas or measured_canvas(self.operator, self.full.shape)
        rows = math.lcm(
            devices, devices * stride // math.gcd(stride, round(self.operator.scale))
        )
        if size:
            height = -(-size[0] // rows) * rows
            return dataclasses.replace(self, canvas=(height, size[1]))
        for height in (self.full.shape[0], self.image_shape[0]):
            if height % devices:
                raise InputError(
                    f"--mesh=rows: {height} rows do not split over {devices} devices,"
                    " and this task has no larger canvas; expected a multiple, crop the"
                    " image"
                )
        return self

    @property
    def noise_std(self) -> float:
        """The level that the solver is told, in pixels."""
        return self.levels.told

    @property
    def grey(self) -> bool:
        """The image has one channel and comes back with one."""
        return self.observed.shape[-1] == 1

    def told(self, noise_std: float) -> "Problem":
        """The same with another level of noise."""
        return dataclasses.replace(self, levels=self.levels.raised(min(noise_std, 1.0)))

    def finished(self, image: Any) -> Any:
        """A solver's image, made to compress to a noise-free JPEG file's content."""
        alone = self.degradation.task == "identity"
        if self.jpeg is None or not alone or self.levels.before > _NOISE_FREE:
            return image
        cells = jpeg_observation(self.jpeg, None, self.levels.before)
        return project_box(cells, image.mean(-1, keepdims=True) if self.grey else image)

    def crop(self, image: Any) -> np.ndarray:
        """The user's part of a solver's image, in the user's number of channels."""
        image = np.asarray(self.operator.visible(image))
        return image.mean(-1, keepdims=True) if self.grey else image


class Keys(NamedTuple):
    """Random keys of one image."""

    mask: jax.Array
    noise: jax.Array
    solver: jax.Array


def keys(seed: int, name: str) -> Keys:
    """Those of an image of a name."""
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
    return Keys(*jax.random.split(key, 3))


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
        blurs = config.task in ("blur", "downsample")
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
        if self.degradation.blind and config.task == "downsample":
            raise InputError(
                "--kernel=auto: finds blurs of the photograph's own size, not those"
                " before a reduction; give --kernel=FILE, or take --config=sr_x4"
            )
        if self.degradation.blind and simulate:
            raise InputError(
                "--kernel=auto: has no use with --simulate, whose kernel is known;"
                " leave one of them out"
            )

    def contents(self) -> list[Any]:
        """Kernel and mask as read, for fingerprints."""
        found = self.degradation.kernel, self.degradation.mask
        return [array for array in found if array is not None]

    def canvases(
        self, shapes: Sequence[tuple[int, ...]], most: int, multiple_of: int
    ) -> list[tuple[int, int]]:
        """At most so many canvases for observations (h, w, C).

        [] where none suit, or where there are not more sizes than that.

        Args:
            shapes: of all of them; those that the kernel does not fit are left out.
            most: how many.
            multiple_of: the prior's stride, in pixels of the image.
        """
        task, sizes = self.config.task, []
        few = len(set(shapes)) <= most
        if few or self.degradation.blind or task == "resize":
            return []
        for shape in shapes:
            with contextlib.suppress(InputError):  # for when its turn comes
                sizes.append(self.measured(shape))
        factor = round(self.degradation.factor) if task == "downsample" else 1
        granularity = multiple_of // math.gcd(multiple_of, factor)
        return [] if None in sizes else canvases(sizes, most, granularity)

    def measured(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """`measured_canvas` of observations (h, w, C).

        Raises:
            InputError: the kernel does not fit them.
        """
        operator: Any = operators.Identity()
        if self.config.task in ("blur", "downsample"):
            operator = self.degradation.operator(shape)
        if self.unknown_boundary:
            operator = operator.unknown_boundary(shape)
        return measured_canvas(operator, shape)  # type: ignore[return-value]

    def problem(self, name: str, loaded: LoadedImage) -> Problem:
        """Degrades the image where asked, and poses its restoration.

        Args:
            name: seeds the simulation, together with the config's seed.
            loaded: the clean image or the observation.

        Raises:
            InputError: kernel, mask, factor or noise level do not fit the image.
        """
        own = keys(self.config.seed, name)
        degradation = self.degradation.masked(loaded.pixels.shape, own.mask)
        y, clean, jpeg, cut = loaded.pixels, None, loaded.jpeg, ()
        if self.simulate:
            y, cut = degradation.divided(y)
            y, clean = self._degraded(y, degradation, own.noise)
            y, jpeg = compressed(y, self.config.simulated_jpeg)
        grey = y.shape[-1] == 1
        if self.channels == 1 and not grey:
            raise InputError(
                "--prior: knows grey images only and this one has colours, expected a"
                " grey image; convert it or take a colour prior"
            )
        found, notes = levels(self.config, self.simulate, y, degradation.mask, jpeg)
        if self.config.simulated_jpeg and jpeg is None:
            notes = [_NOT_JPEG, *notes]
        degradation, more = degradation.seen_in(y, found.told)
        full = np.repeat(y, self.channels or 1, -1) if grey else y
        known = None if clean is None or degradation.task != "resize" else clean.shape
        operator = degradation.operator(y.shape, known)
        if self.unknown_boundary:
            operator = operator.unknown_boundary(full.shape)
        mask = degradation.mask
        # Rounded coefficients say nothing of single pixels, as masks and denoisers take
        # them, nor a grey file of the colours that the prior asks for.
        return Problem(
            observed=y if mask is None else y * mask,
            full=full,
            operator=operator,
            degradation=degradation,
            levels=found,
            jpeg=jpeg,
            clean=clean,
            bit_depth=loaded.bit_depth,
            notes=(*loaded.notes, *cut, *notes, *more),
            key=own.solver,
        )

    def _degraded(self, clean: np.ndarray, degradation: Degradation, key: jax.Array):
        """The noisy observation, and the clean image of the same scene.

        With an unknown boundary the observation shows only what no wrapped-around
        pixel has touched (a valid convolution), and the clean image is cut alike.
        """
        operator = degradation.simulator(clean.shape)
        noise = GaussianNoise(np.float32(self.config.simulated_noise_std or 0))
        y = Observation.simulate(key, jnp.asarray(clean), operator, noise).y
        y = np.asarray(y)
        return degradation.valid(y, clean) if self.unknown_boundary else (y, clean)
