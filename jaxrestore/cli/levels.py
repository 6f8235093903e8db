"""How noisy a photograph is: as told, as simulated, or as estimated."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.data.jpeg import JPEGFile
from jaxrestore.data.stored import sampled
from jaxrestore.errors import InputError
from jaxrestore.estimation import estimate_noise
from jaxrestore.estimation.jpeg import jpeg_noise_std, sensor_noise_std

# Eight-bit rounding alone is 0.29/255; less than this is not worth believing.
_LEAST = 0.5 / 255
# Of the noise before compression, in the level that is told: most of chroma is averaged
# away (0.5 to 0.75 is left in all), luma's is not. Best of 0.6, 0.8 and 1 on val.
_KEPT = 0.8
_LUMA = 1.3
_SPARE = 1.1  # of the level of the channels' mean


@dataclass(frozen=True)
class Levels:
    """Standard deviations of the noise of one image, in [0, 1] units.

    Attributes:
        told: what the solver is told: all that y has beside A x.
        before: the part that was there before a JPEG file was rounded; `told` for
            other files.
        most: what the noise of the channels' mean may be at most, times the root of
            their number: for tests that must not take it for something else.
    """

    told: float
    before: float
    most: float

    def raised(self, told: float) -> "Levels":
        """The same in proportion, with another level told."""
        ratio = told / self.told
        return Levels(told, self.before * ratio, self.most * ratio)


def levels(
    config: SolveConfig,
    simulate: bool,
    y: np.ndarray,
    mask: Any,
    jpeg: JPEGFile | None,
) -> tuple[Levels, list[str]]:
    """The levels of an observation, and what to tell the user of them.

    Raises:
        InputError: they are to be estimated, and too little was seen.
    """
    told = config.noise_std
    if told == "auto" and simulate:
        told = config.simulated_noise_std or _LEAST
    if jpeg:
        return _compressed(told, jpeg)
    if told == "auto":
        return _estimated(y, mask, config.task in ("resize", "downsample"))
    return Levels(told, told, told), []


def _compressed(told: Any, jpeg: JPEGFile) -> tuple[Levels, list[str]]:
    """Of a JPEG file: what its camera had, as told or estimated, and what it lost."""
    word = "told"
    if told == "auto":
        told, word = max(sensor_noise_std(jpeg), _LEAST), "estimated"
    rounding = jpeg_noise_std(jpeg)
    total = max(float(np.hypot(_KEPT * told, rounding)), _LEAST)
    note = (
        f"noise level {word}: {255 * told:.2f}/255 before JPEG compression, which adds"
        f" {255 * rounding:.2f}/255"
    )
    # Averaged chroma leaves luma's noise, which counts most in the mean.
    most = float(np.hypot(_LUMA * told, rounding))
    return Levels(total, told, most), [note]


def _estimated(y: np.ndarray, mask: Any, small: bool) -> tuple[Levels, list[str]]:
    """The level of y, the low end of what it may be where y is a reduced image.

    Reduced images are full of fine texture, which looks like noise, and enlarging
    hardly amplifies what noise is overlooked. Of large images a sample is looked at.
    """
    y, mask = sampled(y), None if mask is None else sampled(mask)
    found = estimate_noise(y, mask)
    if found is None:
        raise InputError(
            "--noise_std=auto: too few neighbouring pixels were seen to estimate the"
            " noise, expected a number; give the level, such as --noise_std=3/255"
        )
    text = f"noise level estimated at {255 * found.std:.2f}/255"
    text += f" ({255 * found.low:.1f} to {255 * found.high:.1f})"
    told = max(found.low if small else found.std, _LEAST)
    if told != found.std:
        text += f", {255 * told:.2g}/255 assumed"
    # Of grey photographs stored in colour, and of demosaiced ones, the channels' noise
    # is not their own: their mean has more than a third of it.
    grey = estimate_noise(y.mean(-1, keepdims=True), mask)
    most = _SPARE * grey.std * y.shape[-1] ** 0.5 if grey else 0.0
    return Levels(told, told, max(found.high, most, told)), [text]
