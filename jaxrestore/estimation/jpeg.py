"""How large the error of a JPEG is, from its coefficients and tables alone."""

import numpy as np

from jaxrestore.data.jpeg import JPEGFile
from jaxrestore.operators.jpeg import TO_RGB

_ENLARGED = 5 / 8
_FEW = 3.0  # blocks
_EXPONENT, _PRIOR_WEIGHT = -1.5, 3.0


def jpeg_noise_std(file: JPEGFile) -> float:
    """Root mean square error in RGB, in [0, 1] units, that compression made.

    The DCT is orthonormal: a component's mean `jpeg_variances` is that of its
    samples, and the columns of YCbCr -> RGB weigh the components. Along an axis on
    which a decoder enlarges chroma linearly, 3/4 and 1/4 of two samples keep 5/8 of
    the variance of uncorrelated errors. What averaging chroma took away shows nowhere
    in the file and is left out.
    """
    means = [
        variance.mean() * _ENLARGED ** sum(n > 1 for n in factor)
        for variance, factor in zip(jpeg_variances(file), file.factors, strict=True)
    ]
    weights = (TO_RGB**2).mean(0) if len(means) == 3 else np.ones(1)
    return float(np.sqrt(np.dot(weights, means)))


def jpeg_variances(file: JPEGFile) -> tuple[np.ndarray, ...]:
    """Variance of the rounding error of each frequency, one (8, 8) for each component.

    In [0, 1] units of the orthonormal DCT, where the error is all but uncorrelated:
    q^2 / 12 for coefficients that are not zero, and for those that are zero
    E[c^2 | |c| < q / 2] with a Laplacian density of c, fitted to each frequency by
    maximum likelihood. Averages over all blocks.
    """
    return tuple(
        _variance(np.abs(level.reshape(-1, 8, 8)).astype(np.float64), table / 255)
        for level, table in zip(file.levels, file.tables, strict=True)
    )


def _variance(levels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    zero = (levels == 0).mean(0)
    edge = steps / (2 * _scales(levels, steps))  # q / 2 in units of the Laplacian's
    edge = np.clip(edge, 1e-2, 1e2)  # beyond, the density is flat, or all at zero
    inside = 2 - (edge**2 + 2 * edge + 2) * np.exp(-edge)
    inside = inside / -np.expm1(-edge) * (steps / (2 * edge)) ** 2
    inside[0, 0] = steps[0, 0] ** 2 / 12  # not Laplacian: of any size
    return zero * inside + (1 - zero) * steps**2 / 12


def _scales(levels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Likeliest scale b of the Laplacian of each frequency, (8, 8).

    Of levels k and t = exp(-q / (2 b)), P(0) = 1 - t and
    P(|k| = n) = t^(2n - 1) (1 - t^2): the maximum is the root of a quadratic. Where few
    blocks hold anything, b says little; it then follows the power law of the frequency
    that fits the others.
    """
    nonzero = (levels > 0).sum(0)
    zeros, total = (levels == 0).sum(0), levels.sum(0)
    first, last = zeros + nonzero + 2 * total, 2 * total - nonzero
    t = (np.sqrt(zeros**2 + 4.0 * first * last) - zeros) / (2 * first)
    t = np.clip(t, 1e-12, 1 - 1e-6)
    own = -steps / (2 * np.log(t))
    radius = np.log(np.hypot(*np.indices((8, 8))) + (np.indices((8, 8)).sum(0) == 0))
    weight = np.sqrt(nonzero.astype(np.float64))
    weight[0, 0] = 0
    # One more row holds the exponent near that of natural images where data are few.
    rows = np.stack([weight.ravel(), (weight * radius).ravel()], 1)
    rows = np.concatenate([rows, [[0, _PRIOR_WEIGHT]]])
    values = np.append((weight * np.log(own)).ravel(), _PRIOR_WEIGHT * _EXPONENT)
    offset, slope = np.linalg.lstsq(rows, values, rcond=None)[0]
    law = np.exp(offset + slope * radius) if weight.any() else np.zeros((8, 8))
    trust = nonzero / (nonzero + _FEW)
    return np.maximum(trust * own + (1 - trust) * law, 1e-9)
