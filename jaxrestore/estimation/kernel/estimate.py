"""The blur kernel of a photograph, from the photograph alone."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage, signal

from jaxrestore.errors import InputError
from jaxrestore.estimation.kernel.families import FAMILIES, Score, search
from jaxrestore.estimation.kernel.free import free_kernel, starts
from jaxrestore.estimation.kernel.sparse import Gradients, evidence

_LUMA = np.array([0.299, 0.587, 0.114])
_LARGEST = 512  # pixels a side that are looked at for a free kernel
_COMPARED = 144  # and for comparing kernels
_LEAST_NOISE = 1 / 255
# Variance of the gradients, chosen on validation images: noise, and what of a
# photograph is not sparse; with less of it the kernel gets a spike in its middle.
_NOISE_FACTOR, _TEXTURE = 3.0, 60.0 / 255**2
# Standard deviation of a Gaussian below which nothing is to be undone. On training
# images it was at most 0.60 if they were sharp, at least 0.76 behind one of 0.8.
_SHARP = 0.68
_UNLIKE = 0.38  # `distance` from the free kernel up to which a formula is taken
_STEEPNESS, _EVEN = 5.0, 0.52  # of the confidence: logistic, one half at _EVEN
_MARGIN = 0.1  # of evidence by which a formula is taken however unlike


@dataclass(frozen=True)
class KernelEstimate:
    """What was found.

    Attributes:
        kernel: (kh, kw) float32, odd sides, sum 1, centre at shape // 2.
        family: "none", "gaussian", "motion", "defocus" or "free".
        parameters: of the family: std; length and angle (degrees, counter-clockwise
            from the horizontal); radius; in pixels. Empty for "none" and "free".
        confidence: in [0, 1], how often such an estimate was a good one, by how much
            free kernels of parts of the image agree with it; for "none", by how far
            the width is from that of a blur.
        scores: family -> E(k) of its best kernel per gradient, lower is better.
        notes: what the user should know.
    """

    kernel: np.ndarray
    family: str
    parameters: dict[str, float]
    confidence: float
    scores: dict[str, float]
    notes: tuple[str, ...] = field(default=())


def estimate_kernel(
    image: np.ndarray,
    noise_std: float,
    *,
    max_size: int = 25,
    progress: Callable[[str], None] | None = None,
) -> KernelEstimate:
    """Find the kernel that blurred a photograph.

    Kernels of a formula minimise the negative evidence E(k) of `sparse`. A free kernel
    explains the strong edges (`edges`), and decides which formula is taken, if any.

    Args:
        image: (H, W, C) in [0, 1], of 1 or 3 channels; any boundary.
        noise_std: of the white noise, in [0, 1] units; below 1/255 counts as that.
        max_size: largest side of a kernel, in pixels; an even one is taken one less.
        progress: is told what is done.

    Raises:
        InputError: not such an image, or one that is too small for the kernel.
    """
    report = progress or (lambda text: None)
    size = _checked_size(max_size)
    grey = _checked_grey(image, size)
    seen, noise = compared(grey, _checked_noise(noise_std), size)
    if seen.power == 0:
        return _nothing("the image is constant: nothing can be said of its blur")

    def score(kernel: np.ndarray) -> float:
        return evidence(seen, kernel, noise)

    one = np.ones((1, 1))
    scores, found = {"none": score(one)}, {}
    for family in FAMILIES:
        report(family.name)
        values, scores[family.name] = search(family, size, score)
        found[family.name] = family, values
        if found["gaussian"][1][0] <= _SHARP:  # the first: no blur of any form
            sure = 1 - 0.5 * (values[0] / _SHARP) ** 8
            return KernelEstimate(one.astype(np.float32), "none", {}, sure, scores)
    report("free kernel")
    free, doubt = _free(textured(grey, _LARGEST), size, score)
    scores["free"] = score(free)
    formulas = {name: family.make(size, *v) for name, (family, v) in found.items()}
    name = _form(scores, {n: distance(free, k) for n, k in formulas.items()})
    if name == "free":
        return _estimate(free, name, {}, doubt, scores)
    family, values = found[name]
    parameters = dict(zip(family.names, map(float, values), strict=True))
    doubt = max(doubt, distance(free, formulas[name]))
    return _estimate(formulas[name], name, parameters, doubt, scores)


def compared(grey: np.ndarray, noise_std: float, size: int) -> tuple[Gradients, float]:
    """The gradients that kernels of at most `size` pixels are compared on.

    Args:
        grey: (H, W) in [0, 1].
        noise_std: of the white noise; below 1/255 counts as that.

    Returns:
        Those of the part with the most edges; the variance of their noise.
    """
    noise = _NOISE_FACTOR * max(noise_std, _LEAST_NOISE) ** 2 + _TEXTURE
    return Gradients(textured(grey, _COMPARED), size // 2 + 1), noise


def _form(scores: dict[str, float], unlike: dict[str, float]) -> str:
    """The formula most like the free kernel, if that is like it; else "free".

    A formula of much better evidence than the free kernel is taken anyway.
    """
    best, nearest = (
        min(unlike, key=scores.__getitem__),
        min(unlike, key=unlike.__getitem__),
    )
    if scores[best] < scores["free"] - _MARGIN:
        return best
    return nearest if unlike[nearest] <= _UNLIKE else "free"


def _estimate(kernel, family, parameters, doubt, scores) -> KernelEstimate:
    sure = _confidence(doubt)
    notes = () if sure >= 0.5 else ("parts of the image disagree about its blur",)
    return KernelEstimate(trimmed(kernel), family, parameters, sure, scores, notes)


def _confidence(doubt: float) -> float:
    """How often ||k - true||^2 was at most 0.4 ||true||^2, by how estimates differ.

    Fitted to 54 free kernels of training images: 11 of 12 were good where the doubt was
    below 0.2, 16 of 26 up to 0.8, 1 of 16 above; docs/blind.md tells of what.
    """
    return 1 / (1 + math.exp(_STEEPNESS * (doubt - _EVEN)))


def _free(image: np.ndarray, size: int, score: Score) -> tuple[np.ndarray, float]:
    """The better of two free kernels, and how much others differ from it.

    The others are that from the other start, and those of two halves of the image.
    """
    tried = [free_kernel(image, size, start) for start in starts()]
    tried.sort(key=score)
    if np.sum(tried[0] ** 2) < 1.2 / size**2:  # no edges, hence equal weights
        return tried[0], 1.0
    halves = np.array_split(image, 2, axis=int(np.argmax(image.shape)))
    others = [free_kernel(half, size, starts()[0]) for half in halves]
    return tried[0], float(np.mean([distance(k, tried[0]) for k in tried[1:] + others]))


def distance(kernel: np.ndarray, other: np.ndarray) -> float:
    """Least ||kernel - shifted other||^2 over whole shifts, over the mean ||.||^2."""
    squares = (np.sum(kernel**2) + np.sum(other**2)) / 2
    match = np.max(signal.fftconvolve(kernel, other[::-1, ::-1]))
    return float(2 * (squares - match) / squares)


def trimmed(kernel: np.ndarray) -> np.ndarray:
    """Without the frame of zeros around the middle; float32 of sum one."""
    middle = np.array(kernel.shape) // 2
    reach = np.abs(np.argwhere(kernel > 1e-4 * kernel.max()) - middle).max(0)
    (top, left), (bottom, right) = middle - reach, middle + reach + 1
    kernel = kernel[top:bottom, left:right]
    return (kernel / kernel.sum()).astype(np.float32)


def textured(image: np.ndarray, side: int) -> np.ndarray:
    """The part of at most side x side with the most edges, of an image (H, W).

    The sum of the roots of gradients is compared: many edges beat one hard line.
    """
    if max(image.shape) <= side:
        return image
    edges = np.sqrt(ndimage.gaussian_gradient_magnitude(image, 1.5))
    height, width = (min(side, s) for s in image.shape)
    total = np.pad(edges.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:]
    sums += total[:-height, :-width] - total[height:, :-width]
    top, left = np.unravel_index(np.argmax(sums), sums.shape)
    return image[top : top + height, left : left + width]


def _nothing(note: str) -> KernelEstimate:
    one = np.ones((1, 1), np.float32)
    return KernelEstimate(one, "none", {}, 0.0, {}, (note,))


def _checked_grey(image: np.ndarray, size: int) -> np.ndarray:
    """(H, W) float64: the luma of three channels."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] not in (1, 3) or image.dtype.kind != "f":
        raise InputError(
            f"image: {image.dtype} of shape {image.shape}; expected floats (H, W, 1) or"
            " (H, W, 3) in [0, 1]; convert it first"
        )
    if not np.isfinite(image).all():
        raise InputError("image: holds NaN or infinite values; expected finite ones")
    if min(image.shape[:2]) < 2 * size:
        raise InputError(
            f"image: {image.shape[0]}x{image.shape[1]} pixels; expected at least twice"
            f" max_size={size} a side; take a larger image or a smaller max_size"
        )
    image = image.astype(np.float64)
    return image[..., 0] if image.shape[-1] == 1 else image @ _LUMA


def _checked_size(size: int) -> int:
    if not isinstance(size, int | np.integer) or size < 3:
        raise InputError(f"max_size={size!r}; expected a whole number from 3 on")
    return int(size) - (1 - int(size) % 2)


def _checked_noise(noise_std: float) -> float:
    if not (math.isfinite(noise_std) and 0 <= noise_std <= 1):
        raise InputError(f"noise_std={noise_std}; expected a level in [0, 1]")
    return float(noise_std)
