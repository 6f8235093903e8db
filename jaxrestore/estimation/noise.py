"""Blind estimate of the noise level of a photograph."""

from dataclasses import dataclass

import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.estimation.pairs import pair_variance
from jaxrestore.estimation.patches import COSINES, fine_coefficients, number_measured

_CORRELATIONS = np.linspace(-0.25, 0.5, 76)
_ROUNDING = 0.3 / 255  # what 8 bits may hide
# Of the intervals, so that they hold nine in ten levels of BSDS500's validation images.
_MARGIN = 4.2  # divided by the root of the number of coefficients
_TEXTURE = 2  # power of how much more the estimate is where texture may be in it
_CHOICE = 2000  # patches: with so few, the flattest may well hold texture
_OF_CLIPPED, _OF_CORRELATION, _OF_CHOICE = 0.3, 0.5, 0.3  # upwards
_OF_PAIRS = 0.3, 1.15  # of the estimate from pairs of pixels


@dataclass(frozen=True)
class NoiseEstimate:
    """The noise of one image, see `estimate_noise`; levels in [0, 1] units.

    Attributes:
        std: standard deviation, the root of the mean variance of the channels.
        low, high: an interval that nine in ten true levels of white noise lie in, in
            flat and textured photographs together.
        correlation: of the noise of neighbouring pixels, from -0.25 to 0.5; 0: white,
            or unknown. Fine texture raises it, too.
        clipped: share of the seen values that are exactly 0 or 1.
    """

    std: float
    low: float
    high: float
    correlation: float
    clipped: float


def estimate_noise(
    image: np.ndarray, observed: np.ndarray | None = None
) -> NoiseEstimate | None:
    """The level of white noise in an image, rounding to 8 bits included.

    Where an image is flat, all there is in its fine frequencies is noise. With
    D_m(u, v) the orthonormal DCT of patch m, of 8 x 8 pixels,

        std^2 = median over u + v >= 9 of the mean over m and channels of D_m(u, v)^2,

    m being the 0.3 % of the patches with the least energy in the other frequencies,
    which say nothing of white noise in these (Ponomarenko et al. 2007; Colom and
    Buades, IPOL 2013). Clipped patches are left out, or scaled where there are hardly
    others. Without enough whole patches (random masks) std is `pair_variance` ** 1/2,
    too large in texture, and `low` far below it.

    The interval is the wider the more the estimate grows when less flat patches join
    and the more `correlation` there is: both may be texture. Noise that is not white
    (demosaicing, JPEG, denoising in the camera) has less in the fine frequencies than
    in the others: std is then too small, and high only follows what a correlation of
    direct neighbours explains. Noise that "clean" photographs have is noise here.

    Args:
        image: (H, W, C) in [0, 1].
        observed: (H, W, 1) or (H, W, C), non-zero where the pixel was seen, or None
            for all.

    Returns:
        The estimate, or None where too little was seen, or nearly all is clipped.

    Raises:
        InputError: the image has other dimensions or values that are not finite, or
            the mask another size.
    """
    image, seen = _checked(image, observed)
    ends = (image == 0) | (image == 1)
    clipped = float(np.count_nonzero(ends & seen) / max(1, np.count_nonzero(seen)))
    coefficients = fine_coefficients(image, ends, np.asarray(seen.all(-1)))
    if coefficients is not None:
        return _from_patches(coefficients, clipped)
    variance = pair_variance(image, ends, seen)
    if variance is None:
        return None
    std = variance**0.5
    low, high = (std * factor for factor in _OF_PAIRS)
    return NoiseEstimate(std, low, max(high, _ROUNDING), 0.0, clipped)


def _checked(image, observed) -> tuple[np.ndarray, np.ndarray]:
    """The image in float32, 0 where it was not seen; where it was, (H, W, C)."""
    image = np.asarray(image, np.float32)
    if image.ndim != 3:
        raise InputError(f"image: has shape {image.shape}, expected (H, W, C)")
    seen = np.ones((1, 1, 1), bool) if observed is None else np.asarray(observed) != 0
    try:
        seen = np.broadcast_to(seen, image.shape)
    except ValueError as error:
        raise InputError(
            f"observed: has shape {seen.shape}, expected {(*image.shape[:2], 1)}, one"
            " value a pixel of the image"
        ) from error
    image = np.where(seen, image, 0)
    if not np.isfinite(image).all():
        raise InputError(
            "image: has NaN or infinite values, expected numbers in [0, 1]; mark the"
            " others as not observed"
        )
    return image, seen


def _from_patches(coefficients: np.ndarray, clipped: float) -> NoiseEstimate:
    number = number_measured(len(coefficients))
    chosen = np.square(coefficients[:number])
    spectrum = chosen.mean((0, 1))
    std = np.sqrt(np.median(spectrum))
    if not std:
        return NoiseEstimate(0.0, 0.0, _ROUNDING, 0.0, clipped)
    correlation, whole = _correlated(spectrum)
    wider = np.square(coefficients[: 4 * number]).mean((0, 1))
    grown = max(1.0, np.sqrt(np.median(wider)) / std)
    margin = _MARGIN / np.sqrt(chosen.size)
    choice = len(coefficients) / (len(coefficients) + _CHOICE)
    low = std * (1 - margin) * choice * (min(std / whole, 1) / grown) ** _TEXTURE
    margin += _OF_CLIPPED * clipped + _OF_CORRELATION * max(correlation, 0)
    margin += _OF_CHOICE * (1 - choice)
    high = max(std, whole) * (1 + margin)
    high = max(float(high), _ROUNDING)
    return NoiseEstimate(float(std), float(low), high, correlation, clipped)


def _correlated(spectrum: np.ndarray) -> tuple[float, float]:
    """Correlation of neighbours, and the standard deviation that goes with it.

    Least squares of spectrum = s^2 (1 + 2 r cos w_down) (1 + 2 r cos w_across): noise
    that is correlated with the four direct neighbours and, by r^2, with the diagonal.
    """
    shapes = np.prod(1 + 2 * _CORRELATIONS[:, None, None] * COSINES, axis=1)
    powers = shapes @ spectrum / np.square(shapes).sum(1)
    misfits = np.square(spectrum - powers[:, None] * shapes).sum(1)
    best = np.argmin(misfits)
    return float(_CORRELATIONS[best]), float(np.sqrt(powers[best]))
