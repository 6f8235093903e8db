"""Is stated uncertainty right? Coverage, ranks, expected coverage, conformal factors.

All functions are of numpy, on arrays whose leading axis runs over images, simulations
or draws as said.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from jaxrestore.errors import InputError


class Coverage(NamedTuple):
    """How often the truth lay where draws said.

    Attributes:
        levels: (Q,) nominal.
        share: (Q,) of values whose error was below the quantile of that level of
            |draw - mean|.
        width: (Q,) mean of these quantiles: sharpness, at equal coverage less is
            better.
    """

    levels: np.ndarray
    share: np.ndarray
    width: np.ndarray


def coverage(samples: Any, truth: Any, levels: Any, factor: Any = 1.0) -> Coverage:
    """Pixelwise coverage of one image by the quantiles of |draw - mean|.

    Args:
        samples: (N, ...) draws.
        truth: (...).
        levels: (Q,) in (0, 1).
        factor: the quantiles are multiplied by it, one number or (Q,).
    """
    samples, truth = np.asarray(samples), np.asarray(truth)
    mean, levels = samples.mean(0), np.asarray(levels, np.float64)
    bounds = np.quantile(np.abs(samples - mean), levels, axis=0)
    bounds *= np.reshape(np.broadcast_to(factor, levels.shape), (-1, *[1] * truth.ndim))
    inside = np.abs(truth - mean) <= bounds
    pixels = tuple(range(1, bounds.ndim))
    return Coverage(levels, inside.mean(pixels), bounds.mean(pixels))


def z_scores(truth: Any, mean: Any, std: Any) -> np.ndarray:
    """(truth - mean) / std, elementwise: N(0, 1) of a Gaussian posterior."""
    return (np.asarray(truth) - np.asarray(mean)) / np.asarray(std)


def reliability(errors: Any, stds: Any, bins: int = 10) -> tuple[np.ndarray, ...]:
    """Root mean square error against stated deviation, in bins of equal counts.

    Args:
        errors: mean - truth of any shape.
        stds: of the same shape.
        bins: how many.

    Returns:
        (bins,) root mean square of the stated deviations, and of the errors.
    """
    errors, stds = np.ravel(errors), np.ravel(stds)
    parts = np.array_split(np.argsort(stds), bins)
    return tuple(
        np.array([np.sqrt(np.mean(values[part] ** 2)) for part in parts])
        for values in (stds, errors)
    )


def sbc_ranks(draws: Any, truth: Any) -> np.ndarray:
    """How many draws lie below the truth: uniform on 0 .. N if the posterior is right.

    Simulation-based calibration (Talts et al. 2018): the truths come from the prior,
    their observations from the model.

    Args:
        draws: (simulations, N, ...) thinned to be nearly independent.
        truth: (simulations, ...).
    """
    return np.sum(np.asarray(draws) < np.asarray(truth)[:, None], 1)


def uniformity(ranks: Any, draws: int, bins: int = 8) -> np.ndarray:
    """p-value of the chi-squared test that ranks in 0 .. draws are uniform.

    Args:
        ranks: (simulations, ...) integers.
        draws: N.
        bins: of the ranks, at most draws + 1.

    Returns:
        (...) one p-value for each quantity.
    """
    ranks, places = np.asarray(ranks), np.arange(draws + 1) * bins // (draws + 1)
    flat = ranks.reshape(len(ranks), -1)
    expected = len(ranks) * np.bincount(places) / (draws + 1)
    values = [
        stats.chisquare(np.bincount(places[column], minlength=bins), expected).pvalue
        for column in flat.T
    ]
    return np.reshape(values, ranks.shape[1:])


def tarp(samples: Any, truth: Any, references: Any) -> np.ndarray:
    """Expected coverage of whole images by distance to random points (Lemos 2023).

    For each simulation: the share of draws that are nearer to a reference than the
    truth is. It is uniform on [0, 1] where the draws have the law of the truth.

    Args:
        samples: (simulations, N, ...).
        truth: (simulations, ...).
        references: (simulations, ...), random, independent of the truth given y.

    Returns:
        (simulations,) shares; sorted, they are the expected coverage at
        i / simulations, and `uniformity(N * shares, N)` tests them.
    """
    samples, truth, references = map(np.asarray, (samples, truth, references))
    pixels = tuple(range(2, samples.ndim))
    far = np.sum((samples - references[:, None]) ** 2, pixels)
    own = np.sum((truth - references) ** 2, tuple(range(1, truth.ndim)))
    return np.mean(far < own[:, None], 1)


def conformal_factor(errors: Any, bounds: Any, level: float) -> float:
    """What to multiply error bounds by so that they hold for a share of all pixels.

    Conformal risk control (Angelopoulos et al. 2024): with n images on which nothing
    else was chosen, the least factor at which the mean share of missed pixels r
    fulfils n r / (n + 1) + 1 / (n + 1) <= 1 - level. Of a further image, exchangeable
    with these, the bounds then cover at least `level` of the pixels in expectation,
    whatever the law of images and however wrong the bounds were.

    Args:
        errors: (n, ...) absolute ones.
        bounds: (n, ...) stated for them, > 0.
        level: such as 0.9.

    Raises:
        InputError: too few images for that level.
    """
    errors, bounds = np.asarray(errors), np.asarray(bounds)
    count = len(errors)
    allowed = (1 - level) * (count + 1) - 1 + 1e-9
    if allowed < 0:
        least = np.ceil(level / (1 - level) - 1e-9)
        raise InputError(
            f"errors: of {count} images, expected at least {least:g} to promise"
            f" {level:g}; take more images or a lower level"
        )
    ratios = np.sort((errors / np.maximum(bounds, 1e-12)).ravel())
    missed = int(np.floor(allowed / count * ratios.size))
    return float(ratios[ratios.size - 1 - missed])
