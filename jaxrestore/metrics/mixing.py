"""Have Markov chains mixed? Split R-hat and effective sample size.

Own functions of numpy, after Vehtari et al. (2021): ArviZ has the same but brings
xarray, pandas and a plotting library with it.
"""

from typing import Any

import numpy as np
from scipy import stats

from jaxrestore.errors import InputError


def r_hat(draws: Any) -> np.ndarray:
    """Rank-normalised split R-hat, the larger of bulk and folded; 1 when mixed.

    Each chain is cut in halves, values are replaced by normal scores of their ranks,
    and the variance between halves is compared with that within; the same for
    |value - median|, which sees spreads that differ. Above 1.01 to 1.05 the chains have
    not mixed. Where a value never changes: NaN.

    Args:
        draws: (N, chains, ...), N >= 4, as `Draws.traces` holds them.

    Returns:
        (...).

    Raises:
        InputError: fewer steps, or values that are not finite.
    """
    halves = _halves(draws)
    folded = np.abs(halves - np.median(halves, (0, 1)))
    return np.maximum(_plain_r_hat(_scores(halves)), _plain_r_hat(_scores(folded)))


def effective_size(draws: Any) -> np.ndarray:
    """Bulk effective sample size: as many independent draws say as much of the mean.

    From the autocorrelation of normal scores over split chains, summed up to Geyer's
    (1992) first negative pair, made monotone. At most N chains log10(N chains).

    Args:
        draws: as for `r_hat`.

    Returns:
        (...).
    """
    scores = _scores(_halves(draws))
    flat = scores.reshape(*scores.shape[:2], -1)
    sizes = [_one_size(flat[..., i]) for i in range(flat.shape[-1])]
    return np.reshape(sizes, scores.shape[2:])


def _halves(draws: Any) -> np.ndarray:
    """(N / 2, 2 chains, ...), a middle step left out."""
    draws = np.asarray(draws, np.float64)
    if draws.ndim < 2 or len(draws) < 4 or not np.isfinite(draws).all():
        raise InputError(
            f"draws: shape {draws.shape}, expected (N, chains, ...) with N >= 4 steps"
            " and finite values; draw more, or leave diverged chains out"
        )
    half = len(draws) // 2
    return np.concatenate([draws[:half], draws[-half:]], 1)


def _scores(draws: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks over all steps and chains."""
    flat = draws.reshape(-1, *draws.shape[2:])
    ranks = stats.rankdata(flat, axis=0)
    return stats.norm.ppf((ranks - 0.375) / (len(flat) + 0.25)).reshape(draws.shape)


def _plain_r_hat(draws: np.ndarray) -> np.ndarray:
    steps = len(draws)
    within = draws.var(0, ddof=1).mean(0)
    between = draws.mean(0).var(0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((steps - 1) / steps + between / within)


def _one_size(draws: np.ndarray) -> float:
    """Of (N, chains)."""
    steps, chains = draws.shape
    centred = draws - draws.mean(0)
    power = np.abs(np.fft.rfft(centred, 2 * steps, axis=0)) ** 2
    covariance = np.fft.irfft(power, axis=0)[:steps].mean(1) / steps
    within = covariance[0] * steps / (steps - 1)
    total = covariance[0] + (draws.mean(0).var(ddof=1) if chains > 1 else 0.0)
    if not total > 0:
        return float("nan")
    rho = 1 - (within - covariance) / total
    rho[0] = 1
    pairs = rho[: steps // 2 * 2].reshape(-1, 2).sum(1)
    stop = np.argmax(pairs <= 0) if (pairs <= 0).any() else len(pairs)
    time = 2 * np.minimum.accumulate(pairs[:stop]).sum() - 1
    number = steps * chains
    return float(number / max(time, 1 / np.log10(number)))
