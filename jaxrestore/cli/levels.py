"""How noisy a photograph is: as told, as simulated, or as estimated."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.data.jpeg import JPEGFile
from jaxrestore.errors import InputError
from jaxrestore.estimation import estimate_noise
from jaxrestore.estimation.jpeg import jpeg_noise_std

# Eight-bit rounding alone is 0.29/255; less than this is not worth believing.
_LEAST = 0.5 / 255


@dataclass(frozen=True)
class Levels:
    """Standard deviations of the noise of one image, in [0, 1] units.

    Attributes:
        told: what the solver is told: all that y has beside A x.
        before: the part that was there before a JPEG file was rounded; `told` for
            other files.
    """

    told: float
    before: float

    def raised(self, told: float) -> "Levels":
        """The same in proportion, with another level told."""
        return replace(self, told=told, before=self.before * told / self.told)


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
    told, notes = config.noise_std, []
    if told == "auto" and simulate:
        told = config.simulated_noise_std or _LEAST
    if told == "auto":
        told, notes = _estimated(y, mask)
    rounding = jpeg_noise_std(jpeg) if jpeg else 0.0
    if rounding:
        total = float(np.hypot(told, rounding))
        notes.append(
            f"JPEG compression adds {255 * rounding:.2f}/255: {255 * total:.2f}/255"
            " in all"
        )
        return Levels(total, told), notes
    return Levels(told, told), notes


def _estimated(y: np.ndarray, mask: Any) -> tuple[float, list[str]]:
    found = estimate_noise(y, mask)
    if found is None:
        raise InputError(
            "--noise_std=auto: too few neighbouring pixels were seen to estimate the"
            " noise, expected a number; give the level, such as --noise_std=3/255"
        )
    text = f"noise level estimated at {255 * found.std:.2f}/255"
    text += f" ({255 * found.low:.1f} to {255 * found.high:.1f})"
    if found.std < _LEAST:
        text += f", {255 * _LEAST:g}/255 assumed"
    return max(found.std, _LEAST), [text]
