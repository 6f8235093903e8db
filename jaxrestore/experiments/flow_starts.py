"""Where descent with a flow ends, by start, descent and lambda, in z and in x.

  python -m jaxrestore.experiments flow_starts --images=DIR --out=DIR

Encoder and decoder of a flow are each other's inverse, so that synthesis and analysis
could be one problem in two coordinates; descent makes them two (Oberlin and Verm 2021,
sections 3.1 and 5). For each formulation, start, descent and lambda: mean PSNR and its
deviation over the images, F where the descent ends, and its curve for the first image.
Starts of synthesis: z = 0, z = E(x0), z random; of analysis: x0 the observation's
starting image, D(0), uniform noise. The penalty of analysis is --penalty. Also a sheet
of the first image: formulations and starts, by the first of --descents, against lambda.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.harness import scores, starting_image
from jaxrestore.evaluation.inputs import test_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import of, table
from jaxrestore.experiments import flows
from jaxrestore.experiments import settings as kinds
from jaxrestore.experiments.settings import configured, some
from jaxrestore.report.sheets import sheet
from jaxrestore.settings import choice, count, number, sequence, setting
from jaxrestore.solvers import create, restore
from jaxrestore.solvers.descent import DESCENTS
from jaxrestore.solvers.flow_descent import PENALTIES

QUICK = {"max_images": 1, "steps": 2, "weights": (1e-4,), "descents": ("adam",)}
STARTS = {
    "synthesis": ("zero", "image", "random"),
    "analysis": ("image", "prior_mean", "random"),
}


@configured(prior="glow-faces64", max_images=10)
class Config(kinds.Config):
    task: str = setting("average x2", choice(*flows.TASKS), "which")
    noise: float = setting(kinds.Level(0), kinds.level(zero=True), "of 255")
    formulations: tuple = setting(tuple(STARTS), some(*STARTS), "which")
    steps: int = setting(400, count(), "of each descent")
    descents: tuple = setting(DESCENTS, some(*DESCENTS), "which")
    penalty: str = setting("whitened", choice(*PENALTIES), "of analysis")
    weights: tuple = setting((1e-5, 1e-4, 1e-3), sequence(number(0)), "lambdas")


def run(config: Config, report) -> None:
    """Solve, score, tabulate, draw."""
    prior = flows.load_flow(config.prior)
    images = test_images(config, prior)
    key = jax.random.key(config.seed)
    posed = flows.problem(config.task, config.noise).degrade(images, key)
    (observations,) = posed.values()
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *observations)
    keys = jax.random.split(key, len(images))
    rows, steps, drawn = [], [], {}
    for variant in tqdm(_variants(config), disable=None):
        method = _method(config, variant, prior).validate(observations[0])
        found = jax.device_get(_solved(method, stack, keys, config.steps))
        for place, (name, clean) in enumerate(images.items()):
            result = jax.tree.map(lambda leaf, i=place: leaf[i], found)
            values = result.history["objective"][: int(result.steps)]
            row = variant | {"image": name, **scores(result.image, clean)}
            rows.append(row | {"steps": int(result.steps), "F": float(values[-1])})
            if place == 0:
                line = f"{variant['formulation']}, {variant['start']}"
                drawn.setdefault((line, variant["descent"]), []).append(result.image)
                steps += [
                    variant | {"line": f"{line}, {variant['descent']}"} | point
                    for point in _points(values)
                ]
        report.rows(rows)
        _sheet(report.file("_sheet.png"), drawn, observations[0], images, config)
    middle = config.weights[len(config.weights) // 2]
    _draw(report.picture, [s for s in steps if s["weight"] == middle], config)
    cells = {"PSNR": of("psnr", ".2f"), "deviation": of("psnr", ".2f", np.std)}
    cells |= {"SSIM": of("ssim", ".3f"), "F at the end": of("F", ".4g")}
    cells |= {"steps": of("steps", ".0f")}
    body = table(rows, ["weight", "formulation", "descent", "start"], cells)
    caption = f"{len(images)} images, {config.task}, prior {config.prior}; means"
    report.table(caption, body)


def _variants(config: Config) -> list[dict[str, Any]]:
    return [
        {
            "weight": weight,
            "formulation": formulation,
            "descent": descent,
            "start": start,
        }
        for weight in config.weights
        for formulation in config.formulations
        for descent in config.descents
        for start in STARTS[formulation]
    ]


def _method(config: Config, variant: dict[str, Any], prior) -> Any:
    own = {name: variant[name] for name in ("weight", "descent", "start")}
    own["misfit"] = "squares"
    if variant["formulation"] == "analysis":
        own["penalty"] = config.penalty
    return create(variant["formulation"], own, prior)


@partial(jax.jit, static_argnames="steps")
def _solved(method, observations, keys, steps: int):
    """Restorations of a batch, without their latents."""

    def one(observation, key):
        found = restore(method, observation, key=key, max_steps=steps, history=True)
        return replace(found, latents=())

    return jax.vmap(one)(observations, keys)


def _points(values: np.ndarray) -> list[dict[str, float]]:
    return [{"step": i, "F": float(v)} for i, v in enumerate(values, 1)]


def _sheet(path, sheets, observation, images, config: Config) -> None:
    """The first image: a row for each formulation and start, a column for a lambda."""
    (first, *_), (clean, *_) = config.descents, images.values()
    shown = {line: row for (line, descent), row in sheets.items() if descent == first}
    start = np.asarray(starting_image(observation))
    rows = [[start, clean, *row] for row in shown.values()]
    heads = ["x0", "clean", *(f"lambda {weight:g}" for weight in config.weights)]
    sheet(path, rows, [line.replace(", ", "\n") for line in shown], heads)


def _draw(path, steps, config: Config) -> None:
    """F against the step of the first image, one panel for each formulation."""
    axis = {"xscale": "log", "yscale": "log"}
    panels = []
    for formulation in config.formulations:
        own = [step for step in steps if step["formulation"] == formulation]
        labels = formulation, "F", "step"
        panels.append(Panel(own, "step", "F", "line", *labels, axis=axis))
    curves(path, f"{config.task}, {config.prior}", *panels)
