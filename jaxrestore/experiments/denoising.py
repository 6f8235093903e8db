"""White noise: observed, total variation and critics (ALR), one table (table 3.2).

  python -m jaxrestore.experiments denoising --images=DIR --val=DIR --out=DIR \\
      --priors=alr-natural,single.safetensors

Every method gets the same observations; its weight is chosen on --val for each noise
level. The table ends with how many whole images of --val have, for each critic, a mean
score that grows with the noise (0, 0.05, 0.1, 0.15; figure 3.5). Noise levels are in
[0, 1] units, not of 255.

The thesis reports 28.85 / 24.88 / 21.58 dB at 0.1 / 0.2 / 0.4 on the 68 images of BSD68
(table 3.2) with a critic trained on noise of 0.05 to 0.30.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore import load_prior
from jaxrestore.errors import InputError
from jaxrestore.evaluation.harness import observe, solve_all
from jaxrestore.evaluation.inputs import read_images
from jaxrestore.evaluation.pictures import columns, draw
from jaxrestore.evaluation.scoring import best_of, score_all
from jaxrestore.evaluation.tables import markdown, scores_table
from jaxrestore.experiments.settings import Validated, defaults
from jaxrestore.operators import Identity
from jaxrestore.priors import Critic
from jaxrestore.settings import count, number, sequence, setting, text
from jaxrestore.settings import level as unit_level
from jaxrestore.solvers import TV, Variational

QUICK = {
    "max_images": 1,
    "crop": 24,
    "val_images": 1,
    "val_crop": 24,
    "noise": (0.1,),
    "weights": (0.2,),
    "alr_steps": 2,
    "tv_steps": 3,
}
SCORE_LEVELS = (0.0, 0.05, 0.1, 0.15)
_TV = "total variation"
_TV_GRID = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4)  # weight times noise level
_positive = number(0, above=True)


@defaults(prior="none")
@dataclass(frozen=True)
class Config(Validated):
    """Settings of this experiment."""

    priors: tuple = setting(("alr-natural",), sequence(text), "critics, names or files")
    noise: tuple = setting(
        (0.1, 0.2, 0.4), sequence(unit_level()), "levels in [0, 1] units"
    )
    weights: tuple = setting(
        (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0),
        sequence(_positive),
        "of critics, to choose from",
    )
    alr_steps: int = setting(50, count(), "of Adam")
    tv_steps: int = setting(150, count(), "of total variation")
    batch: int = setting(1, count(), "images solved together")
    shown: int = setting(1, count(), "images of each level drawn")


def run(config: Config, report) -> None:
    """Choose weights on the validation images, then score the test images."""
    critics = read_critics(config.priors)
    val = read_images(config.val, "--val", config.val_images, config.val_crop)
    test = read_images(config.images, "--images", config.max_images, config.crop)
    growth_key, root = jax.random.split(jax.random.key(config.seed))
    keys = jax.random.split(root, (len(config.noise), 2))
    rows, chosen, drawn = [], {}, []
    for noise, (key, val_key) in zip(config.noise, keys, strict=True):
        level = f"{noise:g}"
        weights = tune(config, critics, noisy(val_key, val, noise), val, noise)
        chosen[level], seen = weights, noisy(key, test, noise)
        results: dict[str, tuple] = {"observed": ([o.y for o in seen], 0.0, ())}
        for name, weight in weights.items():
            runs, seconds = solve(config, critics, name, seen, weight)
            results[name] = [r.image for r in runs], seconds, runs
        rows += [{"noise": level, **row} for row in score_all(results, test)]
        shown = {name: of for name, of in results.items() if name != "observed"}
        drawn += columns(f"noise {level}", seen, shown, test, config.shown)
        report.rows(rows)
    draw(report.picture, drawn)
    caption = f"{len(test)} images, {config.alr_steps} steps of Adam"
    table = scores_table(rows, caption, "noise")
    report.table(f"{table}\n{growth_table(growth_key, critics, config)}", chosen)


def read_critics(names) -> dict[str, Critic]:
    """The critics of --priors, by file name.

    Raises:
        InputError: unknown, or of another kind.
    """
    critics = {Path(name).stem: load_prior(name) for name in names}
    for name, critic in critics.items():
        if not isinstance(critic, Critic):
            raise InputError(
                f"--priors={name}: is a {type(critic).__name__}, expected critics such"
                " as alr-natural"
            )
    return critics


def noisy(key: jax.Array, images, noise: float) -> list:
    """Observations of all images at a noise level."""
    return observe(key, images.values(), [Identity()] * len(images), noise)


def solve(config: Config, critics, name: str, observations, weight: float):
    """Total variation or a critic on all observations."""
    if name == _TV:
        method: Any = TV(weight=weight)
        steps = config.tv_steps
    else:
        method = Variational(critics[name], weight=weight)
        steps = config.alr_steps
    return solve_all(method, observations, batch=config.batch, max_steps=steps)


def tune(config: Config, critics, observations, images, noise: float):
    """Weights with the best mean PSNR, by method."""
    cases, best = [(observations, images.values())], {}
    for name in (_TV, *critics):
        weights = [w / noise for w in _TV_GRID] if name == _TV else config.weights

        def restored(observed, weight, name=name):
            return [r.image for r in solve(config, critics, name, observed, weight)[0]]

        grid = [{"weight": weight} for weight in weights]
        point = best_of(grid, restored, cases, f"{name}, noise {noise:g}")
        best[name] = point["weight"]
    return best


def growth_table(key: jax.Array, critics, config: Config) -> str:
    """Mean scores of whole validation images by noise level, and how many grow."""
    images, body = read_images(config.val, "--val", config.val_images), []
    measure = jax.jit(lambda critic, image: critic(image))
    for name, critic in critics.items():
        rows = []
        for i, clean in enumerate(tqdm(images.values(), name, disable=None)):
            noise = jax.random.normal(jax.random.fold_in(key, i), clean.shape)
            seen = [jnp.asarray(clean) + level * noise for level in SCORE_LEVELS]
            rows.append([float(measure(critic, image)) for image in seen])
        growing = int(np.all(np.diff(rows, axis=1) > 0, axis=1).sum())
        means = (f"{mean:.3f}" for mean in np.mean(rows, 0))
        body.append([name, *means, f"{growing} of {len(rows)}"])
    head = ["mean score", *(f"noise {s:g}" for s in SCORE_LEVELS), "growing"]
    return f"Whole images of --val:\n\n{markdown(head, body)}"
