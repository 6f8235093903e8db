"""Does PnP-HVAE contract where it ends? The bound of Corollary 1, for any operator.

  python -m jaxrestore.experiments bound --images=DIR --out=DIR

Restores each image with constant settings, and measures at the starting image and at
the last one (`solvers.contraction`):

    ||J||    norm of the derivative of HVAE(., tau)
    data     sigma^2 / (gamma^2 lambda_min(A'A) + sigma^2): what a data step leaves
    bound    their product; below 1 everywhere, a run converges (thesis, Corollary 1)
    step     norm of the derivative of a whole step, at most the bound (Proposition 5.4)
    gap      ||T(x) - x|| / ||x||, 0 at the fixed points of Proposition 5.5

Tasks: a Gaussian blur of 1.6 pixels (or --kernel), 60 % missing pixels, enlargement by
4, and white noise. Norms are estimates from below, at one image.
"""

import jax
import jax.numpy as jnp
from tqdm import tqdm

from jaxrestore.evaluation.harness import generator, observe
from jaxrestore.evaluation.inputs import blurs, prior_and_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import of, table
from jaxrestore.experiments import comparison
from jaxrestore.experiments import settings as kinds
from jaxrestore.experiments.faces import smaller
from jaxrestore.operators import Identity
from jaxrestore.settings import count, setting
from jaxrestore.solvers import create, restore
from jaxrestore.solvers.contraction import contraction

QUICK = {"max_images": 1, "crop": 16, "steps": 2, "rounds": 3, "tasks": ("missing",)}
_MISSING = comparison.masks(comparison.missing, 0.6)
TASKS = {
    "blur": ("blur", None),
    "missing": ("mask", _MISSING),
    "x4": ("downsample", smaller),
    "noise": ("identity", lambda shape, rng: Identity()),
}
_TABLE = {
    "||J||": of("reconstruction", ".3f"),
    "data": of("data", ".3f"),
    "bound": of("bound", ".3f"),
    "largest bound": of("bound", ".3f", max),
    "step": of("step", ".3f"),
    "gap": of("gap", ".1e"),
}


@kinds.configured(max_images=2, crop=64, steps=100)
class Config(kinds.KernelConfig):
    tasks: tuple = setting(tuple(TASKS), kinds.some(*TASKS), "which")
    noise: float = setting(kinds.Level(7.65 / 255), kinds.level(), "of 255")
    rounds: int = setting(30, count(), "of the power method")


def run(config: Config, report) -> None:
    """Restore, measure, tabulate."""
    prior, images = prior_and_images(config)
    rows, chosen = [], {}
    for name in config.tasks:
        task, make = TASKS[name]
        keys = jax.random.split(jax.random.key(config.seed), 3)
        rng = generator(keys[0])
        operators = (
            [make(image.shape, rng) for image in images.values()]
            if make
            else blurs(images, config.kernel)
        )
        seen = observe(keys[1], images.values(), operators, config.noise)
        chosen[name] = kinds.pnp_settings(config, report, task, config.noise)
        chosen[name].pop("tolerance", None)
        method = create("pnp_hvae", chosen[name], prior)
        pairs = zip(images, seen, strict=True)
        for image, observation in tqdm(list(pairs), name, disable=None):
            result = restore(method, observation, max_steps=config.steps)
            ends = {"start": observation.initial_image(), "end": result.image}
            for place, x in ends.items():
                x = jnp.asarray(x)
                found = contraction(method, observation, x, keys[2], config.rounds)
                numbers = {k: float(v) for k, v in found._asdict().items()}
                case = {"task": name, "at": place, "image": image}
                rows.append(case | numbers | {"steps": int(result.steps)})
        report.rows(rows)
    points = [row | {"case": f"{row['task']}, {row['at']}"} for row in rows]
    labels = "T = prox o HVAE", "norm of T's derivative", "bound of Prop. 5.4"
    panel = Panel(points, "bound", "step", "case", *labels, style="o", level=1)
    curves(report.picture, config.prior, panel)
    noise = f"noise {kinds.label(config.noise)}/255"
    caption = f"{len(images)} images, prior {config.prior}, {noise}"
    report.table(caption, table(rows, ["task", "at"], _TABLE), chosen)
