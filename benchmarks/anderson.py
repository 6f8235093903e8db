"""Evaluations to a small residual: the plain iteration against Anderson acceleration.

    python benchmarks/anderson.py --images=DIR [--kernels=DIR] [--prior=vdvae-faces64]
        [--acceleration=depth=5 --acceleration=depth=0,relaxation=1.5 ...]

Blurs the central crops with each kernel (a Gaussian of 1.6 pixels without --kernels)
and each noise level and restores them by PnP-HVAE at constant, tuned settings. Prints a
row for each case and the factor by which evaluations fall, over those cases in which
the plain iteration reaches the tolerance; PSNR of the decoder's mean in dB.
"""

import itertools
import json
import statistics
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from jaxrestore import operators
from jaxrestore.cli.entry import keep_compiled_programs, run_command
from jaxrestore.evaluation.harness import observe, solve_all
from jaxrestore.evaluation.inputs import prior_and_images, read_kernels
from jaxrestore.experiments.settings import Config
from jaxrestore.metrics import psnr
from jaxrestore.operators.kernels import gaussian
from jaxrestore.solvers import Anderson, Method, PnPHVAE, Status, Stopping
from jaxrestore.solvers.presets import preset

_IMAGES = flags.DEFINE_string("images", "", "Folder of clean images.")
_PRIOR = flags.DEFINE_string("prior", "patch-vdvae-natural", "Bundled name or file.")
_MAX_IMAGES = flags.DEFINE_integer("max_images", 4, "Of --images.")
_CROP = flags.DEFINE_integer("crop", 96, "Central square.")
_NOISE = flags.DEFINE_list("noise", ["2.55", "7.65", "12.75"], "Levels of 255.")
_KERNELS = flags.DEFINE_string("kernels", "", "Folder of kernels N.npy.")
_IDS = flags.DEFINE_list("ids", [], "N of them; 4, 7, 9, 11 unless told otherwise.")
_WAYS = flags.DEFINE_multi_string(
    "acceleration", [""], "Settings of Anderson, such as depth=2,refusals=1."
)
_TOLERANCE = flags.DEFINE_float("tolerance", 1e-4, "Relative residual.")
_MAX_STEPS = flags.DEFINE_integer("max_steps", 200, "Of each run.")
_OUT = flags.DEFINE_string("out", "", "JSON file to write.")


def run(argv: Sequence[str]) -> int:
    """Measure and print."""
    config = Config(
        images=_IMAGES.value,
        prior=_PRIOR.value,
        max_images=_MAX_IMAGES.value,
        crop=_CROP.value,
    )
    prior, images = prior_and_images(config)
    rows, names = [], list(images)
    for kernel, level in itertools.product(_kernels().items(), _NOISE.value):
        blur, noise = operators.Blur(jnp.asarray(kernel[1])), float(level) / 255
        methods = _methods(prior, noise)
        seen = observe(jax.random.key(0), images.values(), [blur] * len(images), noise)
        found = {
            name: solve_all(m, seen, 1, Stopping(_TOLERANCE.value), **_limits())[0]
            for name, m in methods.items()
        }
        for i, image in enumerate(names):
            row: dict = {"image": image, "kernel": kernel[0], "noise": level}
            for name, runs in found.items():
                score = psnr(runs[i].mean, images[image])
                row[name] = int(runs[i].evaluations)
                row[f"{name} psnr"] = round(float(score), 2)
                row[f"{name} done"] = int(runs[i].status) == Status.CONVERGED
            rows.append(row)
            print(json.dumps(row), flush=True)
    accelerated = [f"anderson {way}".strip() for way in _WAYS.value]
    result = {name: _factors(rows, name) for name in accelerated}
    print(json.dumps(result, indent=2))
    if _OUT.value:
        with open(_OUT.value, "w") as file:
            json.dump({"cases": rows, "factors": result}, file, indent=2)
    return 0


def _kernels() -> dict[str, np.ndarray]:
    if not _KERNELS.value:
        return {"gaussian": np.asarray(gaussian(25, 1.6), np.float32)}
    return read_kernels(_KERNELS.value, _IDS.value)


def _methods(prior: Any, noise: float) -> dict[str, Method]:
    """The plain iteration at constant settings, and what is to be faster."""
    given = preset("pnp_hvae", _PRIOR.value, "blur", noise, {"schedule": "none"})
    plain = PnPHVAE(prior, **{**given.settings, "schedule": None})
    methods: dict[str, Method] = {"plain": plain}
    for way in _WAYS.value:
        pairs = (pair.split("=") for pair in way.split(",") if pair)
        settings = {key: json.loads(value) for key, value in pairs}
        methods[f"anderson {way}".strip()] = Anderson(plain, **settings)
    return methods


def _limits() -> dict:
    return {"max_steps": _MAX_STEPS.value}


def _factors(rows: list[dict], name: str) -> dict:
    """How many times fewer evaluations, where the plain iteration converges."""
    done = [row for row in rows if row["plain done"]]
    factors = [row["plain"] / row[name] for row in done]
    return {
        "cases": len(rows),
        "plain converges": len(done),
        "also converges": sum(row[f"{name} done"] for row in done),
        "converges in all": sum(row[f"{name} done"] for row in rows),
        "median factor": statistics.median(factors) if factors else None,
        "least factor": min(factors, default=None),
        "psnr change": [
            round(statistics.mean(r[f"{name} psnr"] - r["plain psnr"] for r in part), 3)
            for part in (done, rows)
            if part
        ],
    }


if __name__ == "__main__":
    keep_compiled_programs()
    app.run(lambda argv: run_command(run, argv))
