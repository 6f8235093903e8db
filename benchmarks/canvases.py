"""A folder of images of many sizes: each its own program, or a few shared canvases.

    python benchmarks/canvases.py --images=DIR [--config=denoise] [--programs=6]

Central crops, each of another size, with white noise; `--own` of them alone, too.
Prints for both ways seconds (compilation included; on a busy machine compare those of
the processors), how many programs of the solver and how many of any kind were compiled,
mean PSNR in dB and that of the noisy images; and how far the results are apart, in all
and 16 pixels off the border.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from absl import app, flags

from jaxrestore import Restorer
from jaxrestore.cli.entry import run_command
from jaxrestore.data.images import list_images, read_image

_IMAGES = flags.DEFINE_string("images", "", "Folder of clean images.")
_CONFIG = flags.DEFINE_string("config", "denoise", "Of solve.")
_COUNT = flags.DEFINE_integer("count", 100, "Images, each of a size of its own.")
_LEAST = flags.DEFINE_integer("least", 40, "Smallest side.")
_MOST = flags.DEFINE_integer("most", 110, "Largest side.")
_NOISE = flags.DEFINE_float("noise", 12.75, "Of 255.")
_PROGRAMS = flags.DEFINE_integer("programs", 6, "For all sizes.")
_OWN = flags.DEFINE_integer("own", 0, "Only so many of them on their own; 0: all.")
_BORDER = 16


def run(argv) -> int:
    """Measure and print."""
    rng = np.random.default_rng(0)
    clean = _crops(rng)
    level = np.float32(_NOISE.value / 255)
    seen = [x + level * rng.standard_normal(x.shape, np.float32) for x in clean]
    settings = {"noise_std": float(level), "check": False}
    report: dict[str, Any] = {"images": len(clean), "psnr noisy": _psnr(seen, clean)}
    sizes, few = [x.shape[:2] for x in clean], _OWN.value or len(clean)
    how = {"sizes": sizes, "programs": _PROGRAMS.value}
    shared, found = _measured(Restorer(_CONFIG.value, settings, **how), seen)
    report["shared"] = found | {"psnr": _psnr(shared, clean)}
    print(json.dumps(report), file=sys.stderr, flush=True)
    own, found = _measured(Restorer(_CONFIG.value, settings), seen[:few])
    report["own"] = found | {"images": few, "psnr": _psnr(own, clean[:few])}
    report["own"] |= {"psnr of the same, shared": _psnr(shared[:few], clean[:few])}
    report["apart"] = _apart(own, shared[:few])
    print(json.dumps(report, indent=1))
    return 0


def _crops(rng: np.random.Generator) -> list[np.ndarray]:
    """The middle of the images, in turn, no two of a size."""
    files, sides = list_images(_IMAGES.value), range(_LEAST.value, _MOST.value + 1)
    every = np.stack(np.meshgrid(sides, sides), -1).reshape(-1, 2)
    crops = []
    for i, size in enumerate(rng.choice(every, _COUNT.value, replace=False)):
        pixels = read_image(files[i % len(files)]).pixels
        top, left = ((n - m) // 2 for n, m in zip(pixels.shape, size, strict=False))
        crops.append(pixels[top : top + size[0], left : left + size[1]])
    return crops


def _measured(restorer: Restorer, seen: Sequence[np.ndarray]):
    """Results, and what they took."""
    jax.clear_caches()
    compiled = []

    def note(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(note)
    begin = time.perf_counter(), time.process_time()
    results = restorer(seen)
    wall, cpu = time.perf_counter() - begin[0], time.process_time() - begin[1]
    jax.monitoring.unregister_event_duration_listener(note)
    solver = sys.modules["jaxrestore.solvers.restore"]._restore
    return results, {
        "seconds": round(wall, 1),
        "compiling": round(sum(compiled), 1),
        "seconds of processors": round(cpu, 1),
        "programs of the solver": solver._cache_size(),
        "programs of any kind": len(compiled),
    }


def _apart(own: Sequence[np.ndarray], shared: Sequence[np.ndarray]) -> dict[str, float]:
    """Root mean squares over the images, and the largest difference inside."""
    inner = slice(_BORDER, -_BORDER)
    errors = [a - b for a, b in zip(own, shared, strict=True)]
    inside = [error[inner, inner] for error in errors]
    return {
        "rms": _rms(errors),
        "rms inside": _rms(inside),
        "largest inside": max(float(np.abs(error).max()) for error in inside),
    }


def _rms(errors: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(np.mean([np.mean(error**2) for error in errors])))


def _psnr(images: Sequence[np.ndarray], clean: Sequence[np.ndarray]) -> float:
    pairs = zip(images, clean, strict=True)
    errors = [np.mean((np.clip(image, 0, 1) - x) ** 2) for image, x in pairs]
    return round(-10 * float(np.mean(np.log10(errors))), 3)


if __name__ == "__main__":
    app.run(lambda argv: run_command(run, argv))
