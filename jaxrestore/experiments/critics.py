"""Critics trained on one noise level each, and on an interval (table 3.1).

  python -m jaxrestore.experiments critics --train=DIR --val=DIR --images=DIR \\
      --steps=20000 --out=DIR

Trains a critic on each level of --levels and one on 0.05 to 0.30 through the training
loop of train.py, and denoises --images at each level of --noise with all of them, every
weight chosen on --val: the thesis' table. Below it, how far each critic of one level is
from the best of the row at its own level and above; the thesis claims 1 dB at most. The
critic of the interval is run by --descents: the thesis found gradient descent (3.5)
worse than Adam at as many steps. --others are what the thesis proposes instead (3.6,
7.2.1), trained on the interval as well: a critic of quadratic growth and a
gradient-step denoiser with the same network, used as regularisers.

critics_patches.png shows patches of --val, clean and noisy, with their scores (figure
3.3), the picture a denoised image (figure 3.6). Levels are in [0, 1] units. Runs lie in
OUT/critic_NAME; the same command goes on with stopped ones. --degraded=DIR: a second
folder of clean images, which get the noise that critics see.
"""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore import load_prior
from jaxrestore.data.config import SAME
from jaxrestore.evaluation.inputs import test_images, validation_images
from jaxrestore.evaluation.tables import grouped, markdown, mean
from jaxrestore.experiments import comparison, denoising
from jaxrestore.experiments.groups import load_config, trained
from jaxrestore.experiments.settings import Validated, configured, some
from jaxrestore.priors import Critic
from jaxrestore.report.sheets import sheet
from jaxrestore.settings import choice, count, number, sequence, setting, text
from jaxrestore.settings import level as unit_level
from jaxrestore.solvers.descent import DESCENTS
from jaxrestore.training.config import train_config

QUICK = {k: v for k, v in denoising.QUICK.items() if k != "tv_steps"}
QUICK |= {"levels": (0.1,), "steps": 2, "shares": (1.0,), "shown_patches": 3}
INTERVAL = "0.05 to 0.3"
# Training config, and its recipe.
OTHERS = {
    "quadratic": ("alr_quadratic", "alr"),
    "gradient_step": ("gradient_step_natural", "gradient_step"),
}
_KEYS = ("noise", "case")


@configured(prior="none", batch=1)
class Config(comparison.Compared, Validated):
    train: str = setting("", text, "folder of training images")
    degraded: str = setting(SAME, text, f"folder whose images get the noise, or {SAME}")
    config: str = setting("alr_natural", text, "training config, a file or its name")
    steps: int = setting(20_000, count(), "of training")
    levels: tuple = setting(
        (0.05, 0.1, 0.2, 0.4), sequence(unit_level()), "one critic for each"
    )
    others: tuple = setting(
        tuple(OTHERS), sequence(choice(*OTHERS), 0), "beside the critics"
    )
    noise: tuple = setting(
        (0.05, 0.1, 0.2, 0.3, 0.4), sequence(unit_level()), "of the images"
    )
    weights: tuple = setting(
        (0.1, 0.15, 0.2, 0.28, 0.4, 0.6), sequence(number(0, above=True)), "to try"
    )
    shares: tuple = setting(
        (0.1, 0.2, 0.4, 0.7, 1.0, 1.5),
        sequence(number(0, above=True)),
        "to try of the others: 1 weighs half a squared distance as the data",
    )
    descents: tuple = setting(DESCENTS, some(*DESCENTS), "with the interval's critic")
    alr_steps: int = setting(50, count(), "of descent")
    shown_patches: int = setting(8, count(), "in a row of the picture of patches")

    required = ("images", "out", "train", "val")


def run(config: Config, report) -> None:
    """Train, denoise, tabulate."""
    critics = trained_critics(config, report.folder)
    problems = [
        comparison.Problem(f"{n:g}", "identity", n, partial(denoising.noisy, n), _KEYS)
        for n in config.noise
    ]
    images = test_images(config), validation_images(config)
    patch_key, key = jax.random.split(jax.random.key(config.seed))
    caption = f"{config.steps} training steps each, {config.alr_steps} of descent"
    more = partial(claim, config.levels)
    lines = entries(config, critics)
    comparison.compare(
        config, report, key, lines, problems, *images, caption, more=more
    )
    path = report.file("_patches.png")
    draw_patches(path, critics[INTERVAL], images[1], patch_key, config)


def trained_critics(config: Config, folder: Path) -> dict[str, Any]:
    """Priors by name: of each level, of the interval, and the others."""
    values, runs = load_config(config.config, "alr"), {}
    for level in config.levels:
        runs[f"{level:g}"] = prepared(config, values, level, level)
    runs[INTERVAL] = prepared(config, values, 0.05, 0.30)
    for name in config.others:
        runs[name] = prepared(config, load_config(*OTHERS[name]), 0.05, 0.30)
    found = {}
    for name, own in tqdm(runs.items(), desc="training", disable=None):
        path = folder / f"critic_{name.replace(' ', '_')}"
        found[name] = load_prior(trained(own, path, config.steps, "loss")[0])
    return found


def prepared(config: Config, values: dict[str, Any], low: float, high: float) -> Any:
    """The checked training config of noise from `low` to `high`."""
    given = {"data.train": config.train, "data.val": config.val, "seed": config.seed}
    given |= {"loss.min_noise_std": low, "loss.max_noise_std": high}
    if values["recipe"] == "alr":
        given |= {"data.degraded": config.degraded, "data.degraded_val": ""}
        if config.degraded != SAME:
            given |= {"data.degraded_val": config.val, "loss.add_noise": True}
    own: Any = train_config(values, **given)
    given |= {"total_steps": config.steps}
    given |= {"eval_every": min(own.eval_every, config.steps)}
    return train_config(values, **given)


def entries(config: Config, critics: dict[str, Any]) -> list[comparison.Entry]:
    """The lines of the table."""
    limits, lines = {"max_steps": config.alr_steps}, []
    for name, critic in critics.items():
        grid = partial(weights, config, critic if name in OTHERS else None)
        for descent in config.descents if name == INTERVAL else ("adam",):
            line = name if descent == "adam" else f"{name}, {descent}"
            given = line, line, "variational", (critic,), grid, limits
            lines.append(comparison.Entry(*given, {"descent": descent}))
    return lines


def weights(config: Config, other: Any, problem: comparison.Problem) -> list[dict]:
    """What to choose from: for half a squared distance, shares of the data's weight."""
    if other is None:
        return [{"weight": weight} for weight in config.weights]
    # A critic adds up the distances of all patches that a pixel lies in.
    times = other.config.receptive_field**2 if isinstance(other, Critic) else 1
    return [{"weight": share / problem.noise / times} for share in config.shares]


def claim(levels, rows) -> str:
    """How far critics of one level are behind the best, at that level and above."""
    scored = grouped(rows, "noise", "method").items()
    by = {case: mean(own, "psnr") for case, own in scored}
    names, body = {f"{level:g}" for level in levels} | {INTERVAL}, []
    for level in sorted(levels):
        behind = {}
        for noise in sorted({noise for noise, _ in by}, key=float):
            best = max(v for (n, m), v in by.items() if n == noise and m in names)
            if float(noise) >= level:
                behind[noise] = best - by[noise, f"{level:g}"]
        worst = max(behind.values(), default=0.0)
        text = ", ".join(f"{n}: {gap:.2f}" for n, gap in behind.items())
        body.append([f"{level:g}", text, "yes" if worst <= 1 else "no"])
    head = ["trained on", "dB behind the best critic, by noise", "within 1 dB"]
    return f"\nThe thesis' claim (3.4.1):\n\n{markdown(head, body)}"


def draw_patches(path, critic, images, key: jax.Array, config: Config) -> None:
    """Patches and their scores, clean and noisy."""
    side, rng = critic.config.receptive_field, np.random.default_rng(config.seed)
    sources, patches = list(images.values()), []
    for _ in tqdm(range(config.shown_patches), desc="patches", disable=None):
        image = sources[rng.integers(len(sources))]
        top, left = (rng.integers(0, n - side + 1) for n in image.shape[:2])
        patches.append(image[top : top + side, left : left + side])
    clean = jnp.asarray(np.stack(patches))
    noise = jax.random.normal(key, clean.shape)
    rows, labels = [], []
    for level in (0.0, *config.noise):
        seen = clean + level * noise
        scores = np.asarray(critic.score_patches(seen)).ravel()
        rows.append(list(np.asarray(seen)))
        labels.append(f"noise {level:g}\n{scores.mean():.2f} +- {scores.std():.2f}")
    sheet(path, rows, labels, title=f"mean score of a row, critic of {INTERVAL}")
