"""JPMAP with a plain VAE against CSGM, on faces (Gonzalez et al. 2022).

  python -m jaxrestore.experiments jpmap --images=DIR --out=DIR

Tasks:

    denoising  white noise of 110/255
    missing    80 % of the pixels are missing, other ones for each face; noise 10/255
    sensing    140 random projections for 784 pixels, as many in proportion for other
               sizes, rows N(0, 1/m); noise 10/255

Both methods search the latents of the same VAE: CSGM for the z whose image G(z)
explains the observation, JPMAP for the x and z of least J1, with the encoder's z where
it is good enough. The CSV tells for each face how often JPMAP took which branch of its
cascade (0 the encoder's z, 1 descent from it, 2 descent from the last z, 3 refused) and
the largest increase of J1 in a step. "start" is the image that the solvers start from:
the noisy one, a smooth fill, the one nearest to grey that explains the projections.
--methods="CSGM,JPMAP,JPMAP continued" adds JPMAP with continuation, which ends at
x = G(z).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.evaluation.harness import outcome
from jaxrestore.evaluation.inputs import prior_and_images
from jaxrestore.evaluation.tables import of, table
from jaxrestore.experiments.comparison import (
    Compared,
    Entry,
    compare,
    masks,
    missing,
    random_problem,
)
from jaxrestore.experiments.settings import configured, label, of_255, some
from jaxrestore.operators import Identity, Matrix
from jaxrestore.settings import count, number, setting
from jaxrestore.solvers import Stopping

QUICK = {"max_images": 2, "steps": 2, "descent_steps": 5, "csgm_steps": 3}


def projections(shape: tuple[int, int, int], rng) -> Matrix:
    """Random ones, 140 for 784 pixels."""
    count = round(140 / 784 * np.prod(shape))
    rows = rng.normal(0, count**-0.5, (count, int(np.prod(shape))))
    return Matrix(jnp.asarray(rows, jnp.float32), shape)


# Noise level and operators.
TASKS = {
    "denoising": (*of_255(110), lambda shape, rng: Identity()),
    "missing": (*of_255(10), masks(missing, 0.8)),
    "sensing": (*of_255(10), projections),
}
_STEPS = {
    "encoder": of("branch_0", ".0f", np.sum),
    "descent from it": of("branch_1", ".0f", np.sum),
    "descent from the last z": of("branch_2", ".0f", np.sum),
    "refused": of("branch_3", ".0f", np.sum),
    "images": of("psnr", ".0f", len),
    "J1 rose by > 1e-5 of it": of("largest_increase", ".0f", lambda v: sum(v > 1e-5)),
}
METHODS = ("CSGM", "JPMAP", "JPMAP continued")


@configured(prior="vae-faces64", shown=2)
class Config(Compared):
    tasks: tuple = setting(tuple(TASKS), some(*TASKS), "which")
    methods: tuple = setting(METHODS[:2], some(*METHODS), "which")
    steps: int = setting(100, count(), "of JPMAP at most")
    descent_steps: int = setting(300, count(), "of Adam in one step")
    tolerance: float = setting(1e-4, number(0), "of JPMAP")
    csgm_steps: int = setting(1000, count(), "of CSGM at most")
    csgm_tolerance: float = setting(
        0.0, number(0), "of CSGM; 0: all its steps, each of which is small"
    )


def run(config: Config, report) -> None:
    """Solve, score, tabulate."""
    prior, images = prior_and_images(config)
    problems = [
        random_problem(task, "mask", noise, f"noise {label(noise)}", make)
        for task, (noise, make) in ((name, TASKS[name]) for name in config.tasks)
    ]
    entries = [contender(name, config, prior) for name in config.methods]
    caption, key = f"prior {config.prior}", jax.random.key(config.seed)
    more = {"facts": _facts, "more": _cascade}
    compare(config, report, key, entries, problems, images, {}, caption, **more)


def contender(name: str, config: Config, prior) -> Entry:
    """A method of --methods."""
    solver, fixed = "jpmap", {"descent_steps": config.descent_steps}
    steps, tolerance = config.steps, config.tolerance
    if name == "CSGM":
        solver, fixed = "csgm", {}
        steps, tolerance = config.csgm_steps, config.csgm_tolerance
    elif name == "JPMAP continued":
        fixed |= {"continuation": True}
    limits = {"stopping": Stopping(tolerance), "max_steps": steps, "history": True}
    return Entry(name, name, solver, (prior,), lambda _: [{}], limits, fixed)


def _facts(run) -> dict[str, Any]:
    """Passes through the network, branches taken, and the largest increase of J1."""
    counts = outcome(run) | {
        "evaluations": int(run.evaluations),
        "gradients": int(run.gradients),
    }
    if "branch" not in run.history or not run.steps:
        return counts
    branches = run.history["branch"][: int(run.steps)]
    values = run.history["objective"][: int(run.steps)]
    increase = np.max(np.diff(values), initial=-np.inf) / abs(values[0])
    shares = {f"branch_{b}": int(np.sum(branches == b)) for b in range(4)}
    return counts | shares | {"largest_increase": float(increase)}


def _cascade(rows) -> str:
    own = [row for row in rows if row["method"] == "JPMAP"]
    return f"\nSteps of JPMAP:\n\n{table(own, ['task'], _STEPS)}" if own else ""
