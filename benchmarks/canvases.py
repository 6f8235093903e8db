"""Images of many sizes on shared canvases against each at its own size.

    python benchmarks/canvases.py --images=DIR [--config=denoise] [--programs=1]

Central crops of as many sizes as images, with white noise; prints seconds (compilation
included), PSNR in dB and how far the results are apart, in all and 16 pixels off the
border.
"""

import json
import time

import numpy as np
from absl import app, flags

from jaxrestore import Restorer
from jaxrestore.cli.entry import run_command
from jaxrestore.data.images import list_images, read_image

_IMAGES = flags.DEFINE_string("images", "", "Folder of clean images.")
_CONFIG = flags.DEFINE_string("config", "denoise", "Of solve.")
_COUNT = flags.DEFINE_integer("count", 4, "Images, each of a size of its own.")
_SIDE = flags.DEFINE_integer("side", 96, "The smallest.")
_NOISE = flags.DEFINE_float("noise", 12.75, "Of 255.")
_PROGRAMS = flags.DEFINE_integer("programs", 1, "For all sizes.")
_BORDER = 16


def run(argv) -> int:
    """Measure and print."""
    rng, clean = np.random.default_rng(0), []
    for i, file in enumerate(list_images(_IMAGES.value)[: _COUNT.value]):
        pixels = read_image(file).pixels
        sides = _SIDE.value + 5 * i, _SIDE.value + 32 - 7 * i
        top, left = ((n - m) // 2 for n, m in zip(pixels.shape, sides, strict=False))
        clean.append(pixels[top : top + sides[0], left : left + sides[1]])
    level = np.float32(_NOISE.value / 255)
    seen = [x + level * rng.standard_normal(x.shape, np.float32) for x in clean]
    settings = {"noise_std": float(level), "check": False}
    results, report = {}, {}
    for name, sizes in (("own", None), ("shared", [x.shape[:2] for x in clean])):
        restorer = Restorer(
            _CONFIG.value, settings, sizes=sizes, programs=_PROGRAMS.value
        )
        begin = time.perf_counter()
        results[name] = restorer(seen)
        psnr = [_psnr(a, b) for a, b in zip(results[name], clean, strict=True)]
        report[name] = {"seconds": round(time.perf_counter() - begin, 1), "psnr": psnr}
    pairs = list(zip(results["own"], results["shared"], strict=True))
    inner = slice(_BORDER, -_BORDER)
    report["apart"] = [
        {
            "rms": float(np.sqrt(np.mean((a - b) ** 2))),
            "rms inside": float(np.sqrt(np.mean((a - b)[inner, inner] ** 2))),
            "largest inside": float(np.abs((a - b)[inner, inner]).max()),
        }
        for a, b in pairs
    ]
    print(json.dumps(report, indent=1))
    return 0


def _psnr(image, clean) -> float:
    error = np.mean((np.clip(image, 0, 1) - clean) ** 2)
    return round(-10 * float(np.log10(error)), 3)


if __name__ == "__main__":
    app.run(lambda argv: run_command(run, argv))
