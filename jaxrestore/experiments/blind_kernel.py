"""Blur kernels estimated from the blurred photograph alone, against the true ones.

  python -m jaxrestore.experiments blind_kernel --images=DIR --kernels=DIR --out=DIR

Every image is blurred by each kernel, without a border that wraps around, and cropped;
then come noise and 8-bit pixels, or JPEG 90. "none" is the sharp image. The table has

    error    sum of squared differences to the true kernel after the best shift,
             divided by the true kernel's sum of squares
    ratio    squared error of a restoration with the estimated kernel, divided by that
             with the true one (Levin 2009); its median
    told,    PSNR in dB of total variation with the true and with the estimated
    blind    kernel, which the best shift moves; then the best of shifts of the image of
             up to 3 pixels; a border of 16 left out
    family   what the estimates were

of the images of a line. The noise level is told.
"""

import io
from collections import Counter
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from PIL import Image
from scipy import signal
from tqdm import tqdm

from jaxrestore.data.fitting import centre
from jaxrestore.estimation.kernel import estimate_kernel
from jaxrestore.evaluation.inputs import read_kernels, test_images
from jaxrestore.evaluation.tables import of, table
from jaxrestore.experiments.settings import Kernels, configured, label, of_255, some
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Blur, kernels
from jaxrestore.report.sheets import sheet
from jaxrestore.settings import count, number, sequence, setting
from jaxrestore.solvers import TV, restore

QUICK = {
    "max_images": 1,
    "crop": 12,
    "ids": ("gaussian",),
    "stds": (1.2,),
    "noise": of_255(1.0),
    "formats": ("png",),
    "tv_steps": 2,
    "max_size": 5,
}
_SHIFT, _BORDER, _PAD = 3, 16, 30
_SHOWN = 10


@configured(prior="none", noise=of_255(1.0, 2.55), crop=0)
class Config(Kernels):
    formats: tuple = setting(("png", "jpeg"), some("png", "jpeg"), "of the pixels")
    stds: tuple = setting(
        (1.2, 2.0, 3.0), sequence(number(0, above=True), 0), "of Gaussians, in pixels"
    )
    max_size: int = setting(25, count(3), "largest side of an estimated kernel")
    tv_steps: int = setting(80, count(), "of total variation")


def run(config: Config, report) -> None:
    """Blur, estimate, restore, score."""
    ids = config.ids or (("9", "10", "11", "12") if config.kernels else ())
    truth = read_kernels(config.kernels, ids)
    truth |= {f"gaussian {s:g}": kernels.gaussian(25, s) for s in config.stds}
    truth["none"] = np.ones((1, 1), np.float32)
    images = test_images(replace(config, crop=0))  # cropped when blurred
    cases = [
        (name, kernel, form, noise, image)
        for noise in config.noise
        for form in config.formats
        for image in images
        for name, kernel in truth.items()
    ]
    rows, drawn, rng = [], {}, np.random.default_rng(config.seed)
    for name, kernel, form, noise, image in tqdm(cases, disable=None):
        clean, seen = observed(images[image], kernel, noise, form, config.crop, rng)
        found = estimate_kernel(seen, noise, max_size=config.max_size)
        moved = aligned(found.kernel, kernel)
        solved = [
            restored(seen, k, noise, config.tv_steps)
            for k in (_framed(kernel, moved.shape[0]), moved)
        ]
        told, blind = (shifted_error(pixels, clean) for pixels in solved)
        case = {"kernel": name, "format": form, "noise": label(noise), "image": image}
        row = case | {"family": found.family, "confidence": found.confidence}
        row |= {"error": kernel_error(moved, kernel), "ratio": blind / told}
        row |= {"told": -10 * np.log10(told), "blind": -10 * np.log10(blind)}
        rows.append(row)
        report.rows(rows)
        if image == next(iter(images)) and len(drawn) < _SHOWN:
            drawn.setdefault(name, (picture(kernel), picture(moved), seen, *solved))
    _report(report, rows, drawn, config)


def _report(report, rows, drawn, config) -> None:
    names = "true", "estimated", "observed", "told", "blind"
    lines = [[_sized(part[i]) for part in drawn.values()] for i in range(5)]
    sheet(report.picture, lines, names, list(drawn), "the first image")
    columns = {
        "error": of("error", ".2f", np.median),
        "ratio": of("ratio", ".2f", np.median),
        "told": of("told", ".2f"),
        "blind": of("blind", ".2f"),
        "confidence": of("confidence", ".2f"),
        "family": lambda line: ", ".join(
            f"{n} {name}"
            for name, n in Counter(r["family"] for r in line).most_common()
        ),
    }
    part = f"crops of {config.crop} pixels" if config.crop else "whole images"
    caption = f"{part}; medians of error and ratio, mean PSNR"
    report.table(caption, table(rows, ["kernel", "format", "noise"], columns))


def observed(image, kernel, noise: float, form: str, crop: int, rng):
    """Clean and observed pixels of the same place, (crop, crop, C) in [0, 1]."""
    blurred = signal.fftconvolve(image, kernel[..., None], "valid", axes=(0, 1))
    top, left = (s - 1 - s // 2 for s in kernel.shape)
    clean = image[top : top + blurred.shape[0], left : left + blurred.shape[1]]
    if crop:
        clean, blurred = (centre(a, crop, "--images") for a in (clean, blurred))
    noisy = np.clip(blurred + noise * rng.standard_normal(blurred.shape), 0, 1)
    pixels = np.round(255 * noisy).astype(np.uint8)
    return clean, _saved(pixels, form).astype(np.float32) / 255


def _saved(pixels: np.ndarray, form: str) -> np.ndarray:
    if form == "png":
        return pixels
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=90, subsampling=0)
    return np.asarray(Image.open(file)).reshape(pixels.shape)


def restored(seen, kernel, noise: float, steps: int) -> np.ndarray:
    """Total variation with a kernel; the border continues as in a mirror."""
    padded = np.pad(seen, ((_PAD,) * 2, (_PAD,) * 2, (0, 0)), "symmetric")
    # What JPEG, 8 bits and the extended border add is of about 1.5 of 255.
    level = float(np.hypot(noise, 1.5 / 255))
    problem = Observation.create(padded, Blur(jnp.asarray(kernel)), level)
    image = restore(TV(0.15 / level), problem, max_steps=steps).image
    return np.asarray(image)[_PAD:-_PAD, _PAD:-_PAD]


def shifted_error(image, clean) -> float:
    """Least mean squared error over shifts of up to 3 pixels, without the border."""
    border = min(_BORDER, min(clean.shape[:2]) // 4)
    inner = clean[border:-border, border:-border]
    shifts = range(-_SHIFT, _SHIFT + 1)
    moved = (np.roll(image, (i, j), (0, 1)) for i in shifts for j in shifts)
    errors = [
        np.mean((part[border:-border, border:-border].clip(0, 1) - inner) ** 2)
        for part in moved
    ]
    return float(min(errors))


def aligned(kernel: np.ndarray, true: np.ndarray, side: int = 51) -> np.ndarray:
    """The kernel in a frame (side, side), moved by whole pixels to match the true one.

    No photograph tells where the scene was: a shifted kernel with an image shifted
    the other way explains it equally well.
    """
    kernel, true = _framed(kernel, side), _framed(true, side)
    matches = signal.fftconvolve(true, kernel[::-1, ::-1], "same")
    best = np.unravel_index(np.argmax(matches), matches.shape)
    return np.roll(kernel, [int(i) - side // 2 for i in best], (0, 1))


def kernel_error(kernel: np.ndarray, true: np.ndarray) -> float:
    """||kernel - true||^2 / ||true||^2 of an `aligned` kernel."""
    true = _framed(true, kernel.shape[0])
    return float(np.sum((kernel - true) ** 2) / np.sum(true**2))


def picture(kernel: np.ndarray) -> np.ndarray:
    """A kernel as an image (31, 31, 1), its largest weight white."""
    framed = _framed(kernel, 31)[..., None]
    return framed / framed.max()


def _framed(kernel: np.ndarray, side: int) -> np.ndarray:
    """A kernel (kh, kw) in the middle of (side, side), cut or with zeros around it."""
    cut = [max(0, s // 2 - side // 2) for s in kernel.shape]
    kernel = kernel[cut[0] :, cut[1] :][:side, :side]
    frame = np.zeros((side, side), np.float32)
    top, left = (side // 2 - s // 2 for s in kernel.shape)
    frame[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return frame


def _sized(image: np.ndarray, side: int = 124) -> np.ndarray:
    """The middle of an image, or a small one in blocks of pixels."""
    if image.shape[0] >= side:
        return centre(image, side, "--images")
    factor = side // image.shape[0]
    big = np.repeat(np.repeat(image, factor, 0), factor, 1)
    frame = np.zeros((side, side, big.shape[2]), np.float32)
    frame[: big.shape[0], : big.shape[1]] = big[:side, :side]
    return frame
