"""Does the model explain the measurement? Tests on y, before and after a solver.

Signs that kernel, noise level or prior are not what made the photograph, each a
number that is about 1 or 0 where they are:

- Where the kernel lets nothing through there is noise alone. More power there says
  that the blur is less than told, or another one (`stopband_excess`).
- What is left of y after the restored image is blurred again has the noise's level and
  no pattern (`explain`): level, correlation of neighbours, unevenness over the image.

The limits were chosen on photographs of the validation set, blurred with the kernel
that is told and with others, so that none of the former is refused
(docs/real_photos.md).
"""

from dataclasses import dataclass

import numpy as np

_PASSED = 0.2  # of the power: where the scene's own spectrum is measured
_HIDDEN = 0.2  # of the noise's power: what the scene may have left in a stop band
_FEWEST = 200  # frequencies of a stop band that can be judged
_BANDS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)  # of the kernel's power
_ABOVE = 2.0  # times the noise's power: bands that say something of the scene
_TILE = 16

# In units of 1/255: a prior's own error, which is there at low noise, too.
_PRIOR_ERROR = 2.0 / 255
_LEVEL = 1.3  # of the residual's variance to the told one
_PATTERN = 0.15  # of the told variance, that neighbours may share
_UNEVEN = 0.6  # of the told variance, by which a tile may exceed the typical one
GROWTH = 25.0  # of the scene's spectrum, that no scene has
EXCESS = 1.35  # of a stop band's power to the noise's, from which on there is doubt


@dataclass(frozen=True)
class Explanation:
    """How well A x explains y.

    Attributes:
        level: root mean square of A x - y over the told noise level.
        correlation: of neighbouring residuals, the larger of both directions.
        unevenness: mean square of the residual in its worst twentieth of 16x16 tiles
            over that of the typical tile; 1 for images with fewer than eight tiles.
        reason: "" where it explains y, else what speaks against it.
    """

    level: float
    correlation: float
    unevenness: float
    reason: str

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against the model."""
        return not self.reason


def explain(
    predicted: np.ndarray,
    observed: np.ndarray,
    noise_std: float,
    seen: np.ndarray | None = None,
    white: bool = True,
) -> Explanation:
    """Test the residual of a restored image against white noise of a level.

    Args:
        predicted: (h, w, C) A x of the prior's own image, such as the decoder mean,
            which a wrong model cannot bend to explain everything.
        observed: (h, w, C) y.
        noise_std: told standard deviation, in [0, 1] units.
        seen: (h, w, 1) or (h, w, C), non-zero where y was measured; None: everywhere.
        white: the noise is; else, as of a JPEG, only its level is tested, and mildly.
    """
    residual = np.asarray(predicted, np.float64) - np.asarray(observed, np.float64)
    weight = np.ones(residual.shape)
    if seen is not None:
        weight = np.broadcast_to(np.asarray(seen) != 0, residual.shape).astype(float)
        residual = np.where(weight > 0, residual, 0)
    variance, told = float((residual**2).sum() / weight.sum()), float(noise_std) ** 2
    correlation = max(_neighbours(residual, weight, axis) for axis in (0, 1))
    typical, worst = _tiles(residual, weight)
    reason = ""
    if variance > (_LEVEL if white else 2 * _LEVEL) * told + _PRIOR_ERROR**2:
        reason = "what is left over is stronger than the noise"
    elif white and correlation * variance > _PATTERN * told + _PRIOR_ERROR**2:
        reason = "what is left over has the pattern of the image"
    elif white and worst - typical > _UNEVEN * told + 2 * _PRIOR_ERROR**2:
        reason = "parts of the image are not explained"
    level = float(np.sqrt(variance / told))
    return Explanation(level, correlation, worst / max(typical, 1e-30), reason)


def stopband_excess(
    observed: np.ndarray, kernel: np.ndarray, noise_std: float
) -> float:
    """Power of y over that of the noise, where the kernel lets nothing through.

    The frequencies are those where a scene with the spectrum c / |f|^2, its strength c
    taken from what the kernel does let through, would leave less than a fifth of the
    noise's power. About 1 for the kernel that made y, much more for one that is too
    wide, or for a sharp photograph (docs/real_photos.md).

    Args:
        observed: (h, w, C) y; its border may be anything (a window tapers it).
        kernel: (kh, kw), sum 1.
        noise_std: in [0, 1] units.

    Returns:
        The ratio; 1 where there are too few such frequencies to tell.
    """
    seen = _spectrum(observed, kernel)
    if seen is None:
        return 1.0
    power, passed, frequency = seen
    noise = noise_std**2 / observed.shape[-1]  # of the mean of the channels
    least = 3 / min(observed.shape[:2])
    band = (passed > _PASSED) & (frequency > least)
    if not band.any():
        return 1.0
    scene = np.maximum(power[band] - noise, 0) / passed[band] * frequency[band] ** 2
    left = passed * scene.mean() / np.maximum(frequency, least / 3) ** 2
    stopped = left < _HIDDEN * noise
    if stopped.sum() < _FEWEST:
        return 1.0
    return float(power[stopped].mean() / noise)


def spectral_growth(
    observed: np.ndarray, kernel: np.ndarray, noise_std: float
) -> float:
    """How much stronger the scene would be where the kernel lets little through.

    Divided by what the kernel lets through, y has the scene's spectrum, which falls as
    c / |f|^2. The ratio is that of the largest c over bands of the kernel's power, from
    0.3 down to 0.0003, to that where more than half gets through: about 1 for the
    kernel that made y (in a few small pieces of flat scenes up to 20), much more for
    one that is too wide or another one, at any level of noise (docs/real_photos.md).

    Args:
        observed: (h, w, C) y; its border may be anything (a window tapers it).
        kernel: (kh, kw), sum 1.
        noise_std: in [0, 1] units; bands where it is not exceeded are left out.

    Returns:
        The ratio; 1 where no band can be told from noise.
    """
    seen = _spectrum(observed, kernel)
    if seen is None:
        return 1.0
    power, passed, frequency = seen
    noise = noise_std**2 / observed.shape[-1]
    high = frequency > 3 / min(observed.shape[:2])

    def strength(band: np.ndarray, fewest: int = _FEWEST // 2) -> float:
        if band.sum() < fewest or power[band].mean() < _ABOVE * noise:
            return 0.0
        scene = (power[band] - noise) / passed[band] * frequency[band] ** 2
        return float(scene.mean())

    open_ = strength(high & (passed > 0.5), _FEWEST // 20)
    edges = zip(_BANDS[1:], _BANDS, strict=False)
    most = max(strength(high & (passed > a) & (passed <= b)) for a, b in edges)
    return most / open_ if open_ > 0 and most > 0 else 1.0


def _spectrum(observed: np.ndarray, kernel: np.ndarray):
    """Power of y and of the kernel's transfer, and |f|; None for too small images."""
    grey = np.asarray(observed, np.float64).mean(-1)
    height, width = grey.shape
    if min(grey.shape) < max(16, *kernel.shape):
        return None
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    centred = (grey - (grey * window).sum() / window.sum()) * window
    power = np.abs(np.fft.fft2(centred)) ** 2 / (window**2).sum()
    passed = np.abs(np.fft.fft2(kernel, (height, width))) ** 2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    return power, passed, frequency


def _neighbours(residual: np.ndarray, weight: np.ndarray, axis: int) -> float:
    """Correlation of the channels' mean residual with its neighbour along an axis."""
    grey, seen = residual.mean(-1), weight.min(-1)
    ahead, beside = np.roll(grey, -1, axis), np.roll(seen, -1, axis)
    keep = [slice(None), slice(None)]
    keep[axis] = slice(0, -1)
    both = (seen * beside)[tuple(keep)]
    if both.sum() < _FEWEST:
        return 0.0
    shared = ((grey * ahead)[tuple(keep)] * both).sum() / both.sum()
    return float(shared / max((grey**2 * seen).sum() / seen.sum(), 1e-30))


def _tiles(residual: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Mean square residual of the typical tile, and of the worst twentieth."""
    rows, columns = (n // _TILE for n in residual.shape[:2])
    if rows * columns < 8:
        mean = float((residual**2).sum() / weight.sum())
        return mean, mean

    def summed(values: np.ndarray) -> np.ndarray:
        cut = values[: rows * _TILE, : columns * _TILE].sum(-1)
        return cut.reshape(rows, _TILE, columns, _TILE).sum((1, 3))

    squares, counts = summed(residual**2), summed(weight)
    enough = counts > counts.max() / 4
    power = squares[enough] / counts[enough]
    return float(np.median(power)), float(np.percentile(power, 95))
