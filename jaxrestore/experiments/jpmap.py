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

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore import InputError
from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.comparison import draw
from jaxrestore.experiments.inpainting import missing
from jaxrestore.experiments.inputs import hierarchical_prior, images_for
from jaxrestore.experiments.methods import observe, solve_latent, starting_image
from jaxrestore.experiments.scoring import score_all
from jaxrestore.experiments.tables import scores_table
from jaxrestore.operators import Identity, Mask, Matrix
from jaxrestore.solvers import csgm, jpmap

QUICK = {"max_images": 2, "steps": 2, "descent_steps": 5, "csgm_steps": 3}
TASKS = {"denoising": 110.0, "missing": 10.0, "sensing": 10.0}
_MISSING, _RATE = 0.8, 140 / 784
METHODS = ("CSGM", "JPMAP", "JPMAP continued")


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add = parser.add_argument
    parser.set_defaults(prior="vae-faces64")
    add("--tasks", type=kinds.words, default=list(TASKS), help="which")
    add("--methods", type=kinds.words, default=["CSGM", "JPMAP"], help="which")
    add("--steps", type=kinds.count, default=100, help="of JPMAP at most")
    add("--descent_steps", type=kinds.count, default=300, help="of Adam in one step")
    add("--tolerance", type=kinds.number, default=1e-4, help="of JPMAP")
    add("--csgm_steps", type=kinds.count, default=1000, help="of CSGM at most")
    text = "of CSGM; 0: all its steps, each of which is small"
    add("--csgm_tolerance", type=kinds.number, default=0.0, help=text)
    add("--batch", type=kinds.count, default=1, help="images solved together")
    add("--shown", type=kinds.count, default=2, help="images of each task drawn")


def run(flags, report) -> None:
    """Solve, score, tabulate."""
    for name, known in (("tasks", TASKS), ("methods", METHODS)):
        if not (given := getattr(flags, name)) or not set(given) <= set(known):
            raise InputError(
                f"--{name}={','.join(given)}: expected some of {', '.join(known)}"
            )
    prior = hierarchical_prior(flags.prior, "jpmap")
    images, rows, drawn = images_for(prior, flags), [], []
    for task in tqdm(flags.tasks, desc="tasks", disable=None):
        observations = degraded(task, images, flags.seed)
        results = solve_all(prior, observations, flags)
        scored = score_all(results, images)
        counts = [_counts(run) for _, _, runs in results.values() for run in runs]
        told = [row for row in scored if "steps" in row]
        for row, more in zip(told, counts, strict=True):
            row |= more
        rows += [{"task": task} | row for row in scored]
        for i, clean in enumerate(list(images.values())[: flags.shown]):
            pictures = {name: found[0][i] for name, found in results.items()}
            drawn.append((task, pictures | {"clean": clean}))
        report.rows(rows)
    draw(report.picture, drawn)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    caption = f"{len(images)} images, prior {flags.prior}"
    table = scores_table(rows, caption, "task", flags.tasks, methods)
    report.table(f"{table}\n{_cascade(rows, flags.tasks)}")


def degraded(task: str, images, seed: int) -> list:
    """The task's observations of all images."""
    rng = np.random.default_rng(seed)
    make = {"denoising": _all, "missing": _some, "sensing": _projections}[task]
    operators = [make(image.shape, rng) for image in images.values()]
    return observe(images.values(), operators, TASKS[task], seed)


def _all(shape, rng):
    return Identity()


def _some(shape, rng):
    return Mask(jnp.asarray(missing((shape[0], shape[1]), _MISSING, rng)))


def _projections(shape, rng):
    count = round(_RATE * np.prod(shape))
    rows = rng.normal(0, count**-0.5, (count, int(np.prod(shape))))
    return Matrix(jnp.asarray(rows, jnp.float32), tuple(shape))


def solve_all(prior, observations, flags) -> dict[str, tuple]:
    """method -> (images, seconds for all of them, restorations or ())."""
    start = [np.asarray(starting_image(o)) for o in observations]
    cascade = {
        "max_steps": flags.steps,
        "tolerance": flags.tolerance,
        "descent_steps": flags.descent_steps,
    }
    search = {"max_steps": flags.csgm_steps, "tolerance": flags.csgm_tolerance}
    solvers = {
        "CSGM": (csgm, search),
        "JPMAP": (jpmap, cascade),
        "JPMAP continued": (jpmap, cascade | {"continuation": True}),
    }
    results: dict[str, tuple] = {"start": (start, 0.0, ())}
    for name in flags.methods:
        solver, static = solvers[name]
        solved = solve_latent(solver, prior, observations, static, flags.batch)
        results[name] = [r.image for r in solved.runs], solved.seconds, solved.runs
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


def _cascade(rows, tasks) -> str:
    lines = []
    for task in tasks:
        own = [r for r in rows if (r["task"], r["method"]) == (task, "JPMAP")]
        if own:
            totals = [sum(r.get(f"branch_{b}", 0) for r in own) for b in range(4)]
            rising = sum(r.get("largest_increase", 0) > 1e-5 for r in own)
            lines.append(
                f"JPMAP, {task}: steps by branch {totals[0]} encoder, {totals[1]}"
                f" descent from it, {totals[2]} descent from the last z, {totals[3]}"
                f" refused; J1 rose by more than 1e-5 of it for {rising} of {len(own)}"
                " images."
            )
    return "".join(f"\n{line}\n" for line in lines)
