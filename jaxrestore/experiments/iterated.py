"""u <- HVAE(u, tau) again and again (thesis, figure A.1).

  python -m jaxrestore.experiments iterated --images=DIR --out=DIR

Where the reconstruction is a contraction the images settle on a fixed point; the thesis
finds them piecewise constant. The picture shows iterates; iterated_change.png beside it
and the CSV hold the relative change ||u(k) - u(k-1)|| / ||u(k-1)|| and the contraction
ratio of every step. A prior trained for denoising smooths as much as it is told:
--encoder_noise, of 255.
"""

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.inputs import prior_and_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import of, table
from jaxrestore.experiments.settings import Config as BaseConfig
from jaxrestore.experiments.settings import configured, level, tau
from jaxrestore.report.sheets import sheet
from jaxrestore.settings import count, setting

QUICK = {"max_images": 2, "crop": 16, "steps": 4}
_SHOWN = 7
_ROUGH = "total_variation"
_TABLE = {
    "first change": of("change", ".3g", lambda v: v[0]),
    "last change": of("change", ".3g", lambda v: v[-1]),
    "largest contraction ratio": of(
        "contraction", ".3g", lambda v: max(v[1:], default=np.nan)
    ),
    "total variation a pixel, first iterate": of(_ROUGH, ".3g", lambda v: v[0]),
    "last iterate": of(_ROUGH, ".3g", lambda v: v[-1]),
}


@configured(max_images=4, crop=128)
class Config(BaseConfig):
    temperature: float = setting(0.99, tau, "tau")
    steps: int = setting(100, count(), "iterations")
    encoder_noise: float = setting(0.0, level(zero=True), "told, of 255")


def run(config: Config, report) -> None:
    """Iterate, draw, tabulate."""
    (prior, images), tau = prior_and_images(config), config.temperature
    reconstruct = jax.jit(lambda p, u, t, heard: p.reconstruct(u, t, heard).mean)
    rows, shown, shown_steps = [], [], picked(config.steps)
    for name, image in tqdm(images.items(), desc="images", disable=None):
        iterates = [image]
        for step in tqdm(range(1, config.steps + 1), leave=False, disable=None):
            last = jnp.asarray(iterates[-1])
            after = reconstruct(prior, last, tau, config.encoder_noise)
            iterates.append(np.asarray(after))
            rows.append({"image": name, "step": step, **_changes(iterates)})
        shown.append([iterates[step] for step in shown_steps])
        report.rows(rows)
    title = f"u <- HVAE(u, {tau:g}), {config.prior}"
    if len({image.shape for image in images.values()}) > 1:
        shown = shown[:1]  # a sheet holds images of one size
    labels = [f"k = {step}" for step in shown_steps]
    sheet(report.picture, shown, list(images)[: len(shown)], labels, title)
    labels = "relative change", "||u(k) - u(k-1)|| / ||u(k-1)||", "step k"
    left = Panel(rows, "step", "change", "image", *labels, axis={"yscale": "log"})
    labels = "contraction ratio", "ratio of the last two changes", "step k"
    right = Panel(rows, "step", "contraction", "image", *labels, level=1)
    curves(report.file("_change.png"), title, left, right)
    caption = f"{title}, {config.steps} steps"
    report.table(caption, table(rows, ["image"], _TABLE), {"groups": prior.num_groups})


def picked(steps: int) -> list[int]:
    """At most 7 steps from 0 to the last, denser at the start."""
    spread = np.geomspace(1, steps, _SHOWN - 1).round().astype(int)
    return sorted({0, *map(int, spread)})


def _changes(iterates) -> dict[str, float]:
    """Of the last step: relative change, contraction ratio, roughness."""
    last = iterates[-3:]
    pairs = zip(last, last[1:], strict=False)
    moves = [np.linalg.norm(after - before) for before, after in pairs]
    ratio = moves[-1] / moves[-2] if len(moves) == 2 and moves[-2] > 0 else np.nan
    rough = sum(np.abs(np.diff(last[-1], axis=axis)).mean() for axis in (0, 1))
    return {
        "change": float(moves[-1] / max(np.linalg.norm(iterates[-2]), 1e-30)),
        "contraction": float(ratio),
        "total_variation": float(rough),
    }
