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

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.evaluation.harness import generator, observe
from jaxrestore.evaluation.inputs import hierarchical_prior, test_images
from jaxrestore.evaluation.scoring import outcome
from jaxrestore.evaluation.tables import grouped
from jaxrestore.experiments.comparison import Entry, Problem, compare
from jaxrestore.experiments.inpainting import missing
from jaxrestore.experiments.settings import Config as Base
from jaxrestore.experiments.settings import defaults, label, of_255, some
from jaxrestore.operators import Identity, Mask, Matrix
from jaxrestore.settings import count, number, setting
from jaxrestore.solvers import CSGM, JPMAP, Stopping

QUICK = {"max_images": 2, "steps": 2, "descent_steps": 5, "csgm_steps": 3}
TASKS: dict[str, float] = dict(
    zip(("denoising", "missing", "sensing"), of_255(110, 10, 10), strict=True)
)
METHODS = ("CSGM", "JPMAP", "JPMAP continued")
_MISSING, _RATE = 0.8, 140 / 784


@defaults(prior="vae-faces64")
@dataclass(frozen=True)
class Config(Base):
    tasks: tuple = setting(tuple(TASKS), some(*TASKS), "which")
    methods: tuple = setting(METHODS[:2], some(*METHODS), "which")
    steps: int = setting(100, count(), "of JPMAP at most")
    descent_steps: int = setting(300, count(), "of Adam in one step")
    tolerance: float = setting(1e-4, number(0), "of JPMAP")
    csgm_steps: int = setting(1000, count(), "of CSGM at most")
    csgm_tolerance: float = setting(
        0.0, number(0), "of CSGM; 0: all its steps, each of which is small"
    )
    batch: int = setting(1, count(), "images solved together")
    shown: int = setting(2, count(), "images of each task drawn")


def run(config: Config, report) -> None:
    """Solve, score, tabulate."""
    prior = hierarchical_prior(config.prior, "jpmap")
    problems = [
        Problem(task, "mask", TASKS[task], partial(degraded, task), ("task", "case"))
        for task in config.tasks
    ]
    entries, images = contenders(config, prior), test_images(prior, config)
    caption = f"prior {config.prior}"
    key = jax.random.key(config.seed)
    more = {"facts": _facts, "more": _cascade}
    compare(config, report, key, entries, problems, images, {}, caption, **more)


def contenders(config: Config, prior) -> list[Entry]:
    """The methods of --methods."""
    inner = config.descent_steps
    continued = JPMAP(prior, descent_steps=inner, continuation=True)
    cascade, search = config.tolerance, config.csgm_tolerance
    known = {
        "CSGM": (CSGM(prior), config.csgm_steps, search),
        "JPMAP": (JPMAP(prior, descent_steps=inner), config.steps, cascade),
        "JPMAP continued": (continued, config.steps, cascade),
    }

    def entry(name: str) -> Entry:
        method, steps, tolerance = known[name]
        rules = Stopping(tolerance)
        return Entry(name, lambda _: method, lambda _: [{}], steps, rules, history=True)

    return [entry(name) for name in config.methods]


def degraded(task: str, images, key: jax.Array) -> dict[str, list]:
    """The task's observations of all images, {case: list}."""
    operator_key, noise_key = jax.random.split(key)
    rng = generator(operator_key)
    make = {"denoising": _all, "missing": _some, "sensing": _projections}[task]
    operators = [make(image.shape, rng) for image in images.values()]
    seen = observe(noise_key, images.values(), operators, TASKS[task])
    return {f"noise {label(TASKS[task])}": seen}


def _all(shape, rng):
    return Identity()


def _some(shape, rng):
    return Mask(jnp.asarray(missing(shape[:2], _MISSING, rng)))


def _projections(shape, rng):
    count = round(_RATE * np.prod(shape))
    rows = rng.normal(0, count**-0.5, (count, int(np.prod(shape))))
    return Matrix(jnp.asarray(rows, jnp.float32), tuple(shape))


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
    lines = []
    for (task, method), own in grouped(rows, "task", "method").items():
        if method == "JPMAP":
            totals = [sum(r.get(f"branch_{b}", 0) for r in own) for b in range(4)]
            rising = sum(r.get("largest_increase", 0) > 1e-5 for r in own)
            lines.append(
                f"JPMAP, {task}: steps by branch {totals[0]} encoder, {totals[1]}"
                f" descent from it, {totals[2]} descent from the last z, {totals[3]}"
                f" refused; J1 rose by more than 1e-5 of it for {rising} of {len(own)}"
                " images."
            )
    return "".join(f"\n{line}\n" for line in lines)
