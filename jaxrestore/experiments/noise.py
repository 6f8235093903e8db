"""The estimated noise level of photographs against the true one.

  python -m jaxrestore.experiments noise --images=DIR --out=DIR

White noise of each of --noise on each image behind each Gaussian blur of --blurs (and
--kernel), rounded to 8 bits and clipped; the same without blur by thirds of the images
(smooth, middle, textured: mean step between neighbouring pixels). Then, with --others:

  contrast  contrast doubled before the noise, so that much is clipped
  half      half of the pixels seen, at random
  48x48     the image's centre alone
  grey      one channel
  smooth    noise smoothed by 2 x 2 pixels, as demosaicing does
  JPEG q    written as JPEG of quality q, noise and all

The true level is the root mean square of y - clean: of the noise and 1/12 of rounding
for white noise, before clipping; as measured for JPEG. All levels are of 255.
"""

import io

import jax.numpy as jnp
import numpy as np
from PIL import Image
from tqdm import tqdm

from jaxrestore.data.fitting import centre
from jaxrestore.estimation import estimate_noise
from jaxrestore.evaluation.inputs import test_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import across, of, table
from jaxrestore.experiments.settings import Config as BaseConfig
from jaxrestore.experiments.settings import configured, levels, of_255
from jaxrestore.operators import Blur, kernels
from jaxrestore.settings import number, sequence, setting, text

QUICK = {"max_images": 1, "crop": 32, "blurs": (0.0,), "noise": (5 / 255,)}
_ROUNDING = 12**-0.5 / 255
_SMALL = 48
_THIRDS = "smooth", "middle", "textured"


@configured(prior="none")
class Config(BaseConfig):
    noise: tuple = setting(of_255(0.5, 1, 2, 3, 5, 10, 15, 25, 50), levels, "of 255")
    others: tuple = setting(of_255(2, 10, 50), levels, "of 255, of the other cases")
    blurs: tuple = setting(
        (0.0, 1.2, 2.0), sequence(number(0)), "deviations in pixels; 0: none"
    )
    kernel: str = setting("", text, "another blur kernel, a file")


def run(config: Config, report) -> None:
    """Add noise, estimate it, tabulate."""
    images, blurs, rows = test_images(config), _blurs(config), []
    thirds = _thirds(images)
    for i, (name, clean) in enumerate(tqdm(images.items(), "images", disable=None)):
        rng = np.random.default_rng([config.seed, i])
        about = {"image": name, "texture": thirds[name]}
        for blur, operator in blurs.items():
            blurred = np.asarray(operator(jnp.asarray(clean))) if operator else clean
            for level in config.noise:
                found = _found(*_white(blurred, level, rng))
                rows.append(about | {"case": "white", "blur": blur} | found)
        for level in config.others:
            for case, make in _CASES.items():
                found = _found(*make(clean, level, rng))
                rows.append(about | {"case": case, "blur": "none"} | found)
        report.rows(rows)
    _report(report, rows, len(images))


def _report(report, rows, count: int) -> None:
    white = [row for row in rows if row["case"] == "white"]
    sharp = [row for row in white if row["blur"] == "none"]
    sharp.sort(key=lambda row: _THIRDS.index(row["texture"]))
    others = [row for row in rows if row["case"] != "white"]
    axis = {"xscale": "log", "yscale": "log"}
    labels = "estimate (of 255)", "true level (of 255)"
    panels = [
        Panel(white, "true", "std", "blur", "white noise", *labels, "{}", ".-", axis),
        Panel(others, "true", "std", "case", "others", *labels, "{}", ".", axis),
    ]
    curves(report.picture, "estimated noise", *panels)
    parts = [
        table(white, ["noise"], across(white, "blur", *_PARTS)),
        table(sharp, ["noise"], across(sharp, "texture", *_PARTS)),
        table(others, ["case", "noise"], _COLUMNS),
    ]
    caption = (
        f"{count} images: mean error of the estimate of 255 / its deciles over the true"
        " level / share of true levels in [low, high]"
    )
    report.table(caption, "\n".join(parts))


def _found(y, true: float, level: float, seen=None) -> dict:
    """What was estimated beside what is true, of 255; no levels without an estimate."""
    estimate = estimate_noise(y, seen)
    row = {"noise": round(255 * level, 4), "true": round(255 * true, 4)}
    if estimate is None:
        return row
    for name in ("std", "low", "high"):
        row[name] = 255 * getattr(estimate, name)
    row["error"], row["ratio"] = row["std"] - 255 * true, estimate.std / true
    row["inside"] = float(estimate.low <= true <= estimate.high)
    return row | {"correlation": estimate.correlation, "clipped": estimate.clipped}


def _rounded(image: np.ndarray) -> np.ndarray:
    return (np.clip(np.rint(255 * image), 0, 255) / 255).astype(np.float32)


def _white(clean, level: float, rng):
    """An image as 8 bits keep it, the true level, and the level of the noise alone."""
    y = _rounded(clean + level * rng.standard_normal(clean.shape))
    return y, np.hypot(level, _ROUNDING), level


def _half(clean, level: float, rng):
    seen = rng.random((*clean.shape[:2], 1)) < 0.5
    y, *levels = _white(clean, level, rng)
    return y * seen, *levels, seen


def _small(clean, level: float, rng):
    side = min(_SMALL, *clean.shape[:2])
    return _white(centre(clean, side, "image"), level, rng)


def _smooth(clean, level: float, rng):
    noise = level * rng.standard_normal(clean.shape)
    noise = (noise + np.roll(noise, 1, 0)) / 2
    noise = (noise + np.roll(noise, 1, 1)) / 2
    return _rounded(clean + noise), np.hypot(level / 2, _ROUNDING), level


def _jpeg(quality: int):
    def make(clean, level: float, rng):
        y, _, _ = _white(clean, level, rng)
        file = io.BytesIO()
        pixels = np.rint(255 * y).astype(np.uint8)
        image = Image.fromarray(pixels if y.shape[-1] == 3 else pixels[..., 0])
        image.save(file, "JPEG", quality=quality)
        y = np.asarray(Image.open(file), np.float32).reshape(y.shape) / 255
        return y, float(np.sqrt(np.mean((y - clean) ** 2))), level

    return make


_CASES = {
    "contrast": lambda clean, *rest: _white(2 * clean - 0.5, *rest),
    "half": _half,
    "48x48": _small,
    "grey": lambda clean, *rest: _white(clean.mean(-1, keepdims=True), *rest),
    "smooth": _smooth,
    **{f"JPEG {quality}": _jpeg(quality) for quality in (95, 90, 75)},
}


def _blurs(config: Config) -> dict[str, Blur | None]:
    """The blurs by name; None: no blur."""
    blurs: dict[str, Blur | None] = {}
    for std in config.blurs:
        kernel = kernels.gaussian(2 * int(np.ceil(4 * std)) + 1, std) if std else None
        name = "none" if kernel is None else f"{std:g}"
        blurs[name] = None if kernel is None else Blur(jnp.asarray(kernel))
    if config.kernel:
        blurs["kernel"] = Blur(jnp.asarray(kernels.load_kernel(config.kernel)))
    return blurs


def _thirds(images) -> dict[str, str]:
    """Name -> how textured, in thirds of the images."""
    steps = {name: np.abs(np.diff(x, axis=1)).mean() for name, x in images.items()}
    order = sorted(steps, key=lambda name: steps[name])
    return {name: _THIRDS[3 * rank // len(order)] for rank, name in enumerate(order)}


def _deciles(rows) -> str | None:
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    return (
        "{:.2f} to {:.2f}".format(*np.quantile(ratios, (0.1, 0.9))) if ratios else None
    )


_PARTS = of("error", "+.2f"), _deciles, of("inside", ".0%")
_COLUMNS = {
    "true level": of("true", ".2f"),
    "estimate": of("std", ".2f"),
    "low": of("low", ".2f"),
    "high": of("high", ".2f"),
    "estimate / true": _deciles,
    "in [low, high]": of("inside", ".0%"),
    "correlation": of("correlation", ".2f"),
    "clipped": of("clipped", ".1%"),
}
