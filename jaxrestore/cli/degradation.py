"""What happened to the images, as operators: kernels and masks from settings."""

import copy
from typing import Any

import jax
import numpy as np

from jaxrestore import operators
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.data.images import read_image
from jaxrestore.errors import InputError
from jaxrestore.estimation.kernel import estimate_kernel
from jaxrestore.estimation.reduction import estimate_filter
from jaxrestore.operators import kernels

_CUT_OFF = 0.3  # the confidence in a kernel that may be part of a larger one
_END_WEIGHT = 0.03
BLIND = "auto"  # the kind of a kernel that is estimated from the photograph


class Degradation:
    """The operator A of a task, with the files read that describe it.

    Attributes:
        task: of `SolveConfig`; "identity" where there was nothing to deblur.
        factor: by which the observation is smaller than the image.
        kernel: (kh, kw) or None.
        mask: (H, W, 1) or None, white where the image was seen.
        filter: of "resize", how the image was made smaller.
        blind: the kernel is yet to be estimated.
        confidence: in the kernel, 1 unless it was estimated.
        notes: for the user, one sentence each.

    Raises:
        InputError: the kernel or mask cannot be read or used.
    """

    def __init__(self, config: SolveConfig):
        self._config = config
        self.task = config.task
        self.factor = _factor(config)
        blurs = config.task in ("blur", "downsample")
        self.blind = blurs and config.kernel.kind == BLIND
        self.kernel = _kernel(config) if blurs and not self.blind else None
        self.confidence = 1.0
        self.mask = read_mask(config.mask.path) if config.mask.path else None
        self.filter = config.filter
        self.notes: tuple[str, ...] = ()
        if self.kernel is not None and config.kernel.kind == "file":
            self.notes = _oddities(config.kernel.path, self.kernel)

    def masked(self, shape: tuple[int, ...], key: jax.Array) -> "Degradation":
        """The same with a mask for an image (H, W, C): the file's, or a random one.

        Raises:
            InputError: the file's has another size.
        """
        if self.task != "mask":
            return self._with(mask=None)
        if self.mask is None:
            seen = jax.random.uniform(key, (*shape[:2], 1))
            missing = self._config.mask.missing
            return self._with(mask=np.asarray(seen >= missing, np.float32))
        if self.mask.shape[:2] != tuple(shape[:2]):
            raise InputError(
                f"--mask: is {self.mask.shape[0]}x{self.mask.shape[1]}, expected the"
                f" image's {shape[0]}x{shape[1]}; resize the mask without smoothing"
            )
        return self

    def seen_in(
        self, y: np.ndarray, noise_std: float
    ) -> tuple["Degradation", list[str]]:
        """The same with what only an observation (h, w, C) tells, and notes on it.

        Raises:
            InputError: the image is too small to tell.
        """
        if self.blind:
            return self._estimated(y, noise_std)
        if self.task == "resize" and self.filter == "auto":
            found, note = _filter(y, self.factor)
            return self._with(filter=found), [note] if note else []
        return self, []

    def operator(
        self, y_shape: tuple[int, ...], image_shape: tuple[int, ...] | None = None
    ) -> operators.LinearOperator:
        """A for observations of a shape (h, w, C), periodic.

        Args:
            y_shape: of the observation.
            image_shape: of the image, where more than one is as much larger.

        Raises:
            InputError: the kernel or the mask does not fit the size.
        """
        enlarged = [round(self.factor * side) for side in y_shape[:2]]
        height, width = image_shape[:2] if image_shape else enlarged
        if self.task == "identity":
            return operators.Identity()
        if self.task == "mask":
            return operators.Mask(self.mask)  # type: ignore[arg-type]
        if self.task == "resize":
            return operators.Resize.create((height, width), y_shape, self.filter)
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
        return operators.Downsample(kernel, int(self.factor))

    def divided(self, clean: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """The part of a clean image that the factor divides, and a note if it is cut.

        Args:
            clean: (H, W, C); rows below and columns at the right may be left out.

        Raises:
            InputError: an image smaller than the factor.
        """
        factor = int(self.factor) if self.task == "downsample" else 1
        height, width = (side - side % factor for side in clean.shape[:2])
        if (height, width) == clean.shape[:2]:
            return clean, ()
        if not height or not width:
            raise InputError(
                f"--factor={factor}: leaves nothing of the image's {clean.shape[0]}x"
                f"{clean.shape[1]}, expected at most its smaller side; take a larger"
                " image"
            )
        note = f"cut to {height}x{width}, multiples of --factor={factor}"
        return clean[:height, :width], (note,)

    def simulator(self, shape: tuple[int, ...]) -> operators.LinearOperator:
        """A for clean images of a shape (H, W, C) that the factor divides.

        Raises:
            InputError: as `operator`.
        """
        if self.task == "resize":
            small = [max(1, round(side / self.factor)) for side in shape[:2]]
            kind = "bicubic" if self.filter == "auto" else self.filter
            return operators.Resize.create(shape, tuple(small), kind)
        return self.operator(tuple(side // int(self.factor) for side in shape[:2]))

    def valid(self, y: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What no wrapped-around pixel has touched, and the clean image cut alike.

        Raises:
            InputError: nothing is left.
        """
        kernel: Any = self.kernel
        factor = int(self.factor)
        margins = [-(-(side // 2) // factor) for side in kernel.shape]
        inner = [slice(m, n - m) for m, n in zip(margins, y.shape, strict=False)]
        if any(part.stop <= part.start for part in inner):
            raise InputError(
                f"--kernel: {kernel.shape[0]}x{kernel.shape[1]} leaves nothing of the"
                f" image's {clean.shape[0]}x{clean.shape[1]} untouched by the border;"
                " take a larger image or --config.boundary=periodic"
            )
        outer = [slice(p.start * factor, p.stop * factor) for p in inner]
        return y[tuple(inner)], clean[tuple(outer)]

    def _estimated(self, y: np.ndarray, noise_std: float):
        found = estimate_kernel(y, noise_std, max_size=self._config.kernel.size)
        if found.family == "none":
            note = "--kernel=auto: no blur was found; the image is denoised alone"
            return self._with(task="identity", blind=False), [note, *found.notes]
        shown = ", ".join(f"{k} {v:.1f}" for k, v in found.parameters.items())
        note = f"--kernel=auto: {found.family}{' ' + shown if shown else ''} was found"
        note += f" (confidence {found.confidence:.0%}), see kernel.png"
        notes, sure = [note, *found.notes], found.confidence
        if _cut_off(found.kernel, self._config.kernel.size):
            sure = min(sure, _CUT_OFF)
            size = self._config.kernel.size
            notes.append(f"the blur may be wider than --kernel.size={size}; enlarge it")
        return self._with(kernel=found.kernel, confidence=sure, blind=False), notes

    def _with(self, **changes: Any) -> "Degradation":
        other = copy.copy(self)
        vars(other).update(changes)
        return other


def _cut_off(kernel: np.ndarray, size: int) -> bool:
    """Whether a kernel of the largest side has weight at its ends, as if cut off."""
    ends = [
        (kernel.sum(1 - axis)[0] + kernel.sum(1 - axis)[-1])
        for axis in (0, 1)
        if kernel.shape[axis] >= size - 1 + size % 2
    ]
    return any(end > _END_WEIGHT for end in ends)


def _factor(config: SolveConfig) -> float:
    if config.task == "resize":
        return config.factor
    if config.task != "downsample":
        return 1
    if config.factor != int(config.factor):
        raise InputError(
            f"--factor={config.factor}: expected a whole number with the task"
            " downsample, which keeps every so many-th pixel; --config.task=resize"
            " takes any"
        )
    return int(config.factor)


def _filter(y: np.ndarray, factor: float) -> tuple[str, str]:
    """The filter to assume, and a note where it is not the usual one."""
    if min(y.shape[:2]) < 32 or factor < 2:
        return "bicubic", ""
    if estimate_filter(y, round(factor))[0] == "bicubic":
        return "bicubic", ""
    return "area", "it seems to have been made smaller by area; --filter=bicubic if not"


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
        return kernels.bicubic(int(config.factor))
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
