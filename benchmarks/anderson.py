"""Evaluations to a small residual: the plain iteration against Anderson acceleration.

    python benchmarks/anderson.py --images=DIR [--prior=vdvae-faces64] [--depths=0,2,5]

Blurs the central crops (Gaussian of 1.6 pixels) with each noise level and restores them
by PnP-HVAE at constant, tuned settings. Prints a row for each case and the factor by
which evaluations fall, over those cases in which the plain iteration reaches the
tolerance; PSNR of the decoder's mean in dB.
"""

import json
import statistics
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from absl import app, flags

from jaxrestore import operators
from jaxrestore.cli.entry import keep_compiled_programs, run_command
from jaxrestore.evaluation.harness import observe, solve_all
from jaxrestore.evaluation.inputs import prior_and_images
from jaxrestore.experiments.settings import Config
from jaxrestore.metrics import psnr
from jaxrestore.operators.kernels import gaussian
from jaxrestore.solvers import Anderson, PnPHVAE, Status, Stopping
from jaxrestore.solvers.presets import preset

_IMAGES = flags.DEFINE_string("images", "", "Folder of clean images.")
_PRIOR = flags.DEFINE_string("prior", "patch-vdvae-natural", "Bundled name or file.")
_MAX_IMAGES = flags.DEFINE_integer("max_images", 4, "Of --images.")
_CROP = flags.DEFINE_integer("crop", 96, "Central square.")
_NOISE = flags.DEFINE_list("noise", ["2.55", "7.65", "12.75"], "Levels of 255.")
_DEPTHS = flags.DEFINE_list("depths", ["5"], "Of Anderson; 0: over-relaxation by 1.5.")
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
    blur = operators.Blur(jnp.asarray(gaussian(25, 1.6), jnp.float32))
    rows = []
    for level in _NOISE.value:
        noise = float(level) / 255
        given = preset("pnp_hvae", _PRIOR.value, "blur", noise, {"schedule": "none"})
        settings = {**given.settings, "schedule": None}
        plain = PnPHVAE(prior, **settings)
        methods: dict = {"plain": plain}
        for depth in map(int, _DEPTHS.value):
            how = {} if depth else {"relaxation": 1.5}
            methods[f"depth {depth}"] = Anderson(plain, depth=depth, **how)
        seen = observe(jax.random.key(0), images.values(), [blur] * len(images), noise)
        found = {
            name: solve_all(m, seen, 1, Stopping(_TOLERANCE.value), **_limits())[0]
            for name, m in methods.items()
        }
        for i, (image, clean) in enumerate(images.items()):
            row: dict = {"image": image, "noise": level}
            for name, runs in found.items():
                row[name] = int(runs[i].evaluations)
                row[f"{name} psnr"] = round(float(psnr(runs[i].mean, clean)), 2)
                row[f"{name} done"] = int(runs[i].status) == Status.CONVERGED
            rows.append(row)
            print(json.dumps(row), flush=True)
    result = {name: _factors(rows, name) for name in methods if name != "plain"}
    print(json.dumps(result, indent=2))
    if _OUT.value:
        with open(_OUT.value, "w") as file:
            json.dump({"cases": rows, "factors": result}, file, indent=2)
    return 0


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
