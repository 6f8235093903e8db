"""What a network in bfloat16 costs in dB and saves in memory.

    python benchmarks/precision.py --images=DIR [--crop=96] [--prior=vdvae-faces64]

Simulates each task of `--tasks`, CONFIG:NOISE with the noise in levels of 255, on the
central crops and restores it as `solve` does, with the network in float32 and in
bfloat16. Prints a row for each task: mean PSNR in dB, the mean and the largest change
of an image, and bytes a pixel that the compiled program takes beside the weights.
"""

import json
from collections.abc import Sequence

import jax
import numpy as np
from absl import app, flags

from jaxrestore.cli import outputs
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.entry import keep_compiled_programs, run_command
from jaxrestore.cli.solve import command_line
from jaxrestore.cli.task import Task
from jaxrestore.data.fitting import centre
from jaxrestore.data.images import LoadedImage, list_images, read_image
from jaxrestore.solvers.many import memory_of_many

_IMAGES = flags.DEFINE_string("images", "", "Folder of clean images.")
_PRIOR = flags.DEFINE_string("prior", "patch-vdvae-natural", "Bundled name or file.")
_TASKS = flags.DEFINE_list("tasks", ["denoise:25", "motion_deblur:7.65"], "See above.")
_CROP = flags.DEFINE_integer("crop", 96, "Central square.")
_COUNT = flags.DEFINE_integer("max_images", 4, "Of --images.")


def run(argv: Sequence[str]) -> int:
    """Measure and print."""
    files = list_images(_IMAGES.value)[: _COUNT.value]
    crops = {
        file.stem: centre(read_image(file).pixels, _CROP.value, str(file))
        for file in files
    }
    for task in _TASKS.value:
        config, _, level = task.partition(":")
        row: dict = {"task": config, "noise": level, "images": len(crops)}
        scores = {}
        for dtype in ("float32", "bfloat16"):
            scores[dtype], row[f"{dtype} bytes a pixel"] = _scored(
                crops, f"--config={config}", f"--noise_std={level}/255", dtype
            )
            row[f"{dtype} psnr"] = round(float(np.mean(scores[dtype])), 2)
        change = np.subtract(scores["bfloat16"], scores["float32"])
        row["mean change"] = round(float(change.mean()), 3)
        row["largest change"] = round(float(np.abs(change).max()), 3)
        print(json.dumps(row), flush=True)
    return 0


def _scored(crops: dict[str, np.ndarray], config: str, noise: str, dtype: str):
    """PSNR of each image, and bytes a pixel."""
    given = "", config, noise, f"--prior={_PRIOR.value}", f"--compute_dtype={dtype}"
    line = command_line("").parse([*given, "--simulate"])
    assert line is not None
    chosen, devices = Chosen(line.config), jax.devices()[:1]
    task, psnr, bytes_ = Task(line.config, True, chosen.prior), [], 0.0
    for name, pixels in crops.items():
        problem = task.problem(name, LoadedImage(pixels))
        method, _ = chosen.method(problem)
        asked = chosen.asked(method, problem)
        (found,) = chosen.run_many([(method, problem)], [asked], 1, devices)
        psnr.append(outputs.scores(problem, found)["psnr"])
        taken = memory_of_many(asked, 1, devices) - asked.held
        bytes_ = round(taken / np.prod(problem.image_shape[:2]))
    return psnr, bytes_


if __name__ == "__main__":
    keep_compiled_programs()
    app.run(lambda argv: run_command(run, argv))
