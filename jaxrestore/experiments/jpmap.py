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
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.harness import generator, observe, solve_all, starting_image
from jaxrestore.evaluation.inputs import hierarchical_prior, test_images
from jaxrestore.evaluation.pictures import draw
from jaxrestore.evaluation.scoring import score_all
from jaxrestore.evaluation.tables import grouped, scores_table
from jaxrestore.experiments.inpainting import missing
from jaxrestore.experiments.settings import Config as Base
from jaxrestore.experiments.settings import defaults, of_255, some
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
    """Settings of this experiment."""

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
    images, rows, drawn = test_images(prior, config), [], []
    keys = jax.random.split(jax.random.key(config.seed), len(config.tasks))
    for task, key in zip(tqdm(config.tasks, "tasks", disable=None), keys):  # noqa: B905
        results = solve(config, prior, degraded(task, images, key))
        scored = score_all(results, images)
        counts = [_counts(run) for _, _, runs in results.values() for run in runs]
        told = [row for row in scored if "steps" in row]
        for row, more in zip(told, counts, strict=True):
            row |= more
        rows += [{"task": task} | row for row in scored]
        for i, clean in enumerate(list(images.values())[: config.shown]):
            pictures = {name: found[0][i] for name, found in results.items()}
            drawn.append((task, pictures | {"clean": clean}))
        report.rows(rows)
    draw(report.picture, drawn)
    caption = f"{len(images)} images, prior {config.prior}"
    table = scores_table(rows, caption, "task")
    report.table(f"{table}\n{_cascade(rows)}")


def degraded(task: str, images, key: jax.Array) -> list:
    """The task's observations of all images."""
    operator_key, noise_key = jax.random.split(key)
    rng = generator(operator_key)
    make = {"denoising": _all, "missing": _some, "sensing": _projections}[task]
    operators = [make(image.shape, rng) for image in images.values()]
    return observe(noise_key, images.values(), operators, TASKS[task])


def _all(shape, rng):
    return Identity()


def _some(shape, rng):
    return Mask(jnp.asarray(missing(shape[:2], _MISSING, rng)))


def _projections(shape, rng):
    count = round(_RATE * np.prod(shape))
    rows = rng.normal(0, count**-0.5, (count, int(np.prod(shape))))
    return Matrix(jnp.asarray(rows, jnp.float32), tuple(shape))


def solve(config: Config, prior, observations) -> dict[str, tuple]:
    """method -> (images, seconds for all of them, restorations or ())."""
    start = [np.asarray(starting_image(o)) for o in observations]
    results: dict[str, tuple] = {"start": (start, 0.0, ())}
    for name in config.methods:
        tolerance, steps = config.tolerance, config.steps
        if name == "CSGM":
            method: Any = CSGM(prior)
            tolerance, steps = config.csgm_tolerance, config.csgm_steps
        else:
            continued = name == "JPMAP continued"
            inner = config.descent_steps
            method = JPMAP(prior, descent_steps=inner, continuation=continued)
        runs, seconds = solve_all(
            method,
            observations,
            batch=config.batch,
            stopping=Stopping(tolerance),
            max_steps=steps,
            history=True,
        )
        results[name] = [run.image for run in runs], seconds, runs
    return results


def _counts(run) -> dict[str, Any]:
    """Passes through the network, branches taken, and the largest increase of J1."""
    counts = {"evaluations": int(run.evaluations), "gradients": int(run.gradients)}
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
