"""Which filter a photograph was made smaller with, from the photograph alone."""

import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.operators.resize import resize_weights

_BLOCK = 32
_LOWEST = 0.12  # cycles a pixel: below it the filters hardly differ
_DECAYS = np.arange(1.0, 4.01, 0.25)  # of power spectra; natural images have about 2
_CERTAIN = 0.045  # excess above which it was no box
_ROUNDING = 2 / 12 / 255**2  # of 8 bits, after each of the two axes


def estimate_filter(small: np.ndarray, factor: int = 2) -> tuple[str, dict[str, float]]:
    """The filter to assume for a reduced image: "bicubic", "area" or "nearest".

    A natural image has a power spectrum c |f|^-a. Reduced with the filter k it shows

        P_k(f) = sum_m c |f + m|^-a |H_k(f + m)|^2 + rounding

    over the aliases m of a frequency. The score is what the best c and a leave of
    Whittle's mean negative log-likelihood, mean_f [log P_k(f) + I(f) / P_k(f)], of the
    image's spectrum I, averaged over blocks of 32 pixels and channels.

    How much worse bicubic explains the image than no filter at all does is what the
    answer rests on: not at all after any filter that smooths. Lanczos and bilinear are
    no answers: they cannot be told from bicubic in sharp and soft photographs, and
    cost less when bicubic is assumed than bicubic costs when they are.

    Args:
        small: (h, w, C) in [0, 1], at least 32 x 32.
        factor: >= 2, by which it was reduced.

    Returns:
        The name, for `Resize.create`, and both scores, lower is better.

    Raises:
        InputError: the image is too small, or the factor below 2.
    """
    if min(small.shape[:2]) < _BLOCK or factor < 2:
        raise InputError(
            f"small={small.shape[0]}x{small.shape[1]}, factor={factor}: nothing to"
            f" tell filters by, expected at least {_BLOCK}x{_BLOCK} pixels and a"
            " factor >= 2; take bicubic"
        )
    seen = _spectrum(np.asarray(small, np.float64))
    scores = {
        name: _misfit(seen, _response(name, factor)) for name in ("bicubic", "nearest")
    }
    excess = scores["bicubic"] - scores["nearest"]
    if excess <= 0:
        return "bicubic", scores
    return "area" if excess < _CERTAIN else "nearest", scores


def _spectrum(image: np.ndarray) -> np.ndarray:
    """Mean power of windowed blocks at the frequencies of `fftfreq`, (32, 32)."""
    taper = np.hanning(_BLOCK + 2)[1:-1]
    window = np.outer(taper, taper)
    window /= np.linalg.norm(window)
    blocks = np.lib.stride_tricks.sliding_window_view(image, (_BLOCK,) * 2, (0, 1))
    blocks = blocks[:: _BLOCK // 2, :: _BLOCK // 2]
    flat = blocks - blocks.mean((-1, -2), keepdims=True)
    return (np.abs(np.fft.fft2(flat * window)) ** 2).mean((0, 1, 2))


def _response(name: str, factor: int) -> np.ndarray:
    """|H|^2 at the frequencies f + m of one axis, (32, aliases)."""
    weights = resize_weights(15 * factor, 15, name)[7]
    places = np.arange(len(weights))
    phases = 2 * np.pi * places * _frequencies(factor)[..., None] / factor
    return np.abs(np.exp(-1j * phases) @ weights) ** 2


def _frequencies(factor: int) -> np.ndarray:
    """f + m in cycles per small pixel, (32, aliases), |f + m| <= factor / 2."""
    aliases = np.arange(factor) - factor // 2
    base = np.fft.fftfreq(_BLOCK)[:, None] + aliases
    return (base + factor / 2) % factor - factor / 2


def _misfit(seen: np.ndarray, response: np.ndarray) -> float:
    """Whittle's mean negative log-likelihood for the best c and a."""
    factor = response.shape[1]
    f = _frequencies(factor)
    radius = np.hypot(f[:, None, :, None], f[None, :, None, :])
    passed = response[:, None, :, None] * response[None, :, None, :]
    base = np.fft.fftfreq(_BLOCK)
    inner = np.hypot(base[:, None], base) > _LOWEST
    seen = seen[inner]
    best = np.inf
    for decay in _DECAYS:
        with np.errstate(divide="ignore"):
            shape = (radius**-decay * passed).sum((2, 3))[inner]
        level = np.mean(seen / shape)
        for _ in range(3):
            model = level * shape + _ROUNDING
            level *= np.mean(seen / model)
        model = level * shape + _ROUNDING
        best = min(best, float(np.mean(np.log(model) + seen / model)))
    return best
