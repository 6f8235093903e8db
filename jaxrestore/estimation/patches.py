"""The flattest patches of an image, and what their finest frequencies hold."""

import numpy as np
from scipy import fft, stats

SIDE = 8  # pixels of a patch
_SPLIT = 9  # frequencies (u, v) measure where u + v >= this, the others select
_MOST = 40_000  # patches that are looked at
_FEWEST = 64  # patches that are looked at; with fewer there is no estimate
_MEASURED = 32, 0.003  # patches that are measured, at least; share of those looked at
_CLIPPED = 0.05  # share of clipped values that a patch may have
MOST_CLIPPED = 0.75  # the same where there is nothing better
_CONSTANT = 1e-6  # deviation of a patch without noise: a frame, a caption
_SEED = 0

_ROWS, _COLUMNS = (grid.ravel() for grid in np.indices((SIDE, SIDE)))
_MEASURES = _ROWS + _COLUMNS >= _SPLIT
_BASIS = np.asarray(fft.dct(np.eye(SIDE), norm="ortho", axis=0))
_FINE = np.kron(_BASIS, _BASIS)[_MEASURES].astype(np.float32)
# cos(w) of the measuring frequencies, down and across.
COSINES = np.cos(np.pi / SIDE * np.stack([_ROWS, _COLUMNS])[:, _MEASURES])


def fine_coefficients(
    image: np.ndarray, ends: np.ndarray, seen: np.ndarray
) -> np.ndarray | None:
    """Fine frequencies of the patches that are flattest in all the others.

    The coefficients of an orthonormal DCT of white noise are independent of one
    another: patches chosen by the coarse ones (u + v < 9) have fine ones of unbiased
    variance. Values that were clipped shrink it; a patch with a share p of them is
    scaled up by `clipped_variance(p)` ** -1/2. Constant patches are left out, unless
    half of all are.

    Args:
        image: (H, W, C).
        ends: (H, W, C), true where a value is at an end of the range.
        seen: (H, W), true where the pixel was seen.

    Returns:
        (n, C, 21) of the patches looked at (40,000 at most, drawn with a fixed seed),
        flattest first; None when fewer than 64 were seen whole and less than three
        quarters clipped.
    """
    patches, share = _whole(image, ends, seen)
    worst = share.max(-1, initial=0)
    kept = worst <= _CLIPPED
    if kept.sum() < max(_FEWEST, len(kept) // 100):
        kept = worst <= MOST_CLIPPED
    if kept.sum() < _FEWEST:
        return None
    patches = patches[kept]
    patches -= patches.mean(-1, keepdims=True)
    patches /= np.sqrt(clipped_variance(share[kept]))[..., None].astype(np.float32)
    energy = np.einsum("ncp,ncp->n", patches, patches)
    constant = energy <= _CONSTANT**2 * patches[0].size
    if len(patches) - constant.sum() > max(_FEWEST, len(patches) / 2):
        patches, energy = patches[~constant], energy[~constant]
    fine = patches @ _FINE.T
    coarse = energy - np.einsum("ncf,ncf->n", fine, fine)
    return fine[np.argsort(coarse)]


def number_measured(patches: int) -> int:
    """How many of these patches, the flattest, are measured."""
    return max(_MEASURED[0], int(_MEASURED[1] * patches))


def clipped_variance(share: np.ndarray) -> np.ndarray:
    """Variance of max(Z, a) with Z standard normal and P(Z < a) = share, in [0, 1).

    With p the share and f the normal density at a, the mean is m = a p + f and the
    variance a^2 p + 1 - p + a f - m^2.
    """
    share = np.maximum(share, 1e-12)
    a = stats.norm.ppf(share)
    density = stats.norm.pdf(a)
    return a**2 * share + 1 - share + a * density - (a * share + density) ** 2


def _whole(image, ends, seen) -> tuple[np.ndarray, np.ndarray]:
    """Patches seen whole, (n, C, 64), and the shares of ends in them, (n, C)."""
    missing = np.cumsum(np.cumsum(~seen, 0, np.int32), 1, np.int32)
    missing = np.pad(missing, ((1, 0), (1, 0)))
    missing = missing[SIDE:] - missing[:-SIDE]
    missing = missing[:, SIDE:] - missing[:, :-SIDE]
    places = np.flatnonzero(missing == 0)
    if len(places) > _MOST:
        places = np.random.default_rng(_SEED).choice(places, _MOST, replace=False)
    rows, columns = np.unravel_index(places, missing.shape)

    def take(array: np.ndarray) -> np.ndarray:
        if not len(places):
            return np.zeros((0, array.shape[-1], SIDE**2), np.float32)
        view = np.lib.stride_tricks.sliding_window_view(array, (SIDE, SIDE), (0, 1))
        return view[rows, columns].reshape(len(rows), array.shape[-1], SIDE**2)

    return take(image), take(ends).mean(-1)
