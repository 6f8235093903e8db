"""Images a second, one at a time and side by side.

    python benchmarks/batches.py --images=DIR [--config=denoise] [--batches=1,4,16]

Central crops of one size with white noise, as often as it takes for `--count`. Prints
for each size of batch the seconds of a second call, which compiles nothing, images a
second, and how far results are from those one by one.
"""

import json
import time
from collections.abc import Sequence

import numpy as np
from absl import app, flags

from jaxrestore import Restorer
from jaxrestore.cli.entry import keep_compiled_programs, run_command
from jaxrestore.data.fitting import centre
from jaxrestore.data.images import list_images, read_image
from jaxrestore.report.summary import device

_IMAGES = flags.DEFINE_string("images", "", "Folder of clean images.")
_CONFIG = flags.DEFINE_string("config", "denoise", "Of solve.")
_BATCHES = flags.DEFINE_list("batches", ["1", "4", "16"], "Sizes; auto: as it fits.")
_COUNT = flags.DEFINE_integer("count", 16, "Images.")
_CROP = flags.DEFINE_integer("crop", 64, "Central square.")
_NOISE = flags.DEFINE_float("noise", 12.75, "Of 255.")


def run(argv: Sequence[str]) -> int:
    """Measure and print."""
    files, rng = list_images(_IMAGES.value), np.random.default_rng(0)
    level, seen = np.float32(_NOISE.value / 255), []
    for i in range(_COUNT.value):
        file = files[i % len(files)]
        pixels = centre(read_image(file).pixels, _CROP.value, str(file))
        noise = rng.standard_normal(pixels.shape, np.float32)
        seen.append(pixels + level * noise)
    settings, first = {"noise_std": float(level), "check": False}, None
    for batch in _BATCHES.value:
        given = batch if batch == "auto" else int(batch)
        restorer = Restorer(_CONFIG.value, {**settings, "batch": given})
        restorer(seen)
        begin, spent = time.perf_counter(), time.process_time()
        found = np.stack(restorer(seen))
        seconds, spent = time.perf_counter() - begin, time.process_time() - spent
        first = found if first is None else first
        row = {"batch": batch, "device": device(), "seconds": round(seconds, 2)}
        row["seconds of processors"] = round(spent, 2)
        row["images a second"] = round(len(seen) / seconds, 2)
        row["apart"] = float(np.abs(found - first).max())
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    keep_compiled_programs()
    app.run(lambda argv: run_command(run, argv))
