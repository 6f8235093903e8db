"""u <- HVAE(u, tau) again and again (thesis, figure A.1).

  python -m jaxrestore.experiments iterated --images=DIR --out=DIR

Where the reconstruction is a contraction the images settle on a fixed point; the thesis
finds them piecewise constant. The picture shows iterates; iterated_change.png beside it
and the CSV hold the relative change ||u(k) - u(k-1)|| / ||u(k-1)|| and the contraction
ratio of every step. A prior trained for denoising smooths as much as it is told:
--encoder_noise, of 255.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.inputs import hierarchical_prior, test_images
from jaxrestore.evaluation.tables import grouped, markdown
from jaxrestore.experiments.settings import Config as Base
from jaxrestore.experiments.settings import defaults, level, tau
from jaxrestore.report import charts
from jaxrestore.report.sheets import sheet
from jaxrestore.settings import count, setting

QUICK = {"max_images": 2, "crop": 16, "steps": 4}
_COLUMNS = 7


@defaults(max_images=4, crop=128)
@dataclass(frozen=True)
class Config(Base):
    temperature: float = setting(0.99, tau, "tau")
    steps: int = setting(100, count(), "iterations")
    encoder_noise: float = setting(0.0, level(zero=True), "told, of 255")


def run(config: Config, report) -> None:
    """Iterate, draw, tabulate."""
    prior = hierarchical_prior(config.prior, "iterated")
    images, tau = test_images(prior, config), config.temperature
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
    _draw(report.file("_change.png"), rows, title)
    report.table(_table(rows, title), {"groups": prior.num_groups})


def picked(steps: int) -> list[int]:
    """At most 7 steps from 0 to the last, denser at the start."""
    spread = np.geomspace(1, steps, _COLUMNS - 1).round().astype(int)
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


def _table(rows, caption: str) -> str:
    body = []
    for (name,), own in grouped(rows, "image").items():
        ratios = [row["contraction"] for row in own[1:]] or [np.nan]
        first, last = own[0], own[-1]
        numbers = [first["change"], last["change"], max(ratios)]
        numbers += [first["total_variation"], last["total_variation"]]
        body.append([name, *(f"{value:.3g}" for value in numbers)])
    head = ["image", "first change", "last change", "largest contraction ratio"]
    head += ["total variation a pixel, first iterate", "last iterate"]
    return f"{caption}, {len(rows) // len(body)} steps\n\n{markdown(head, body)}"


def _draw(path, rows, title: str) -> None:
    with charts.chart(path, 2, title) as (left, right):
        for (name,), own in grouped(rows, "image").items():
            steps = [row["step"] for row in own]
            left.plot(steps, [row["change"] for row in own], label=name, linewidth=1)
            right.plot(steps, [row["contraction"] for row in own], linewidth=1)
        left.set_yscale("log")
        right.axhline(1, color="black", linestyle="--", linewidth=0.8)
        charts.label(
            left, "relative change", "step k", "||u(k) - u(k-1)|| / ||u(k-1)||"
        )
        charts.label(
            right, "contraction ratio", "step k", "ratio of the last two changes"
        )
