"""What draws tell of a restored image: deviation, error bounds, how chains mixed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrestore.cli.task import Problem
from jaxrestore.data.images import write_png
from jaxrestore.metrics import mixing
from jaxrestore.report.animation import animate
from jaxrestore.report.sheets import sheet
from jaxrestore.solvers import Draws, sample

FILES = ("deviation.png", "error90.png", "samples.png")
CHAIN_FILES = (*FILES, "chain.gif")
LEVEL = 0.9
SHOWN = 8
_FRAMES = 48


@dataclass(frozen=True)
class Drawn:
    """Draws of a posterior, in short.

    Attributes:
        mean: (H, W, C), the estimate MMSE-x.
        std: (H, W, C).
        error: (H, W, C), the 0.9-quantile of |x - mean| over the draws.
        samples: (S, H, W, C), the first few.
        count: of draws.
    """

    mean: Any
    std: Any
    error: Any
    samples: Any
    count: int


def draw(method: Any, result: Any, problem: Problem, count: int) -> Drawn:
    """Draws of what a method fitted to an image; nothing keeps them all.

    Args:
        method: with `posterior`, such as `VBLE`.
        result: what `restore` gave.
        count: of draws.
    """
    posterior, observation = method.posterior(result), problem.observation
    key = jax.random.fold_in(problem.key, 1)
    arguments: Any = {"key": key, "n_samples": count, "keep": False}
    found = sample(posterior, observation, **arguments)
    about = posterior.about(found.mean)
    errors = sample(about, observation, quantiles=(LEVEL,), **arguments)
    assert errors.quantiles is not None
    shown = min(count, SHOWN)
    few = sample(posterior, observation, key=key, n_samples=shown)
    error = errors.quantiles[0]
    return Drawn(found.mean, found.std, error, few.samples, count)


def passes(count: int) -> int:
    """How often `draw` of so many draws goes through the decoder."""
    return 2 * count + min(count, SHOWN)


def of_chains(draws: Draws) -> Drawn:
    """What chains drew, all of it kept; draws that are not finite are left out."""
    images = np.asarray(draws.samples)
    images = images[np.isfinite(images).all((1, 2, 3))]
    mean = np.asarray(draws.mean)
    if not len(images):
        return Drawn(mean, draws.std, np.zeros_like(mean), mean[None], 0)
    error = np.quantile(np.abs(images - mean), LEVEL, axis=0)
    places = np.linspace(0, len(images) - 1, min(SHOWN, len(images)))
    few = images[places.astype(int)]  # of all chains, which lie beside each other
    return Drawn(mean, images.std(0), error, few, len(images))


def diagnostics(draws: Draws, seconds: float) -> dict[str, Any]:
    """R-hat, effective draws and acceptance of chains, as summary.json holds them.

    Over followed pixels that move at all: the largest and the median R-hat, the least
    and the median effective number of draws; None of chains that are too short or not
    finite. `accepted` is the share of each block of groups, from the coarsest.
    """
    healthy, kept = np.asarray(draws.healthy), len(draws.traces["pixels"])
    found: dict[str, Any] = {"chains": len(healthy), "finite_draws": healthy.tolist()}
    names = "r_hat_max", "r_hat_median", "ess_min", "ess_median", "ess_per_second"
    found |= dict.fromkeys(names)
    whole = np.isfinite(draws.traces["pixels"]).all()
    if kept >= 4 and whole:
        pixels = np.asarray(draws.traces["pixels"])
        moving = pixels[:, :, pixels.std((0, 1)) > 1e-6]
        r_hat, size = mixing.r_hat(moving), mixing.effective_size(moving)
        typical = float(np.median(size))
        values = r_hat.max(), np.median(r_hat), size.min(), typical, typical / seconds
        found |= dict(zip(names, map(float, values), strict=True))
    if "accepted" in draws.traces:
        found["accepted"] = np.mean(draws.traces["accepted"], (0, 1)).tolist()
    return found


def write_chain(folder: Path, problem: Problem, draws: Draws) -> None:
    """The first chain as an animated picture."""
    images = np.asarray(draws.samples)[:: len(draws.healthy)][:_FRAMES]
    frames = [problem.crop(image) for image in images]
    animate(folder / "chain.gif", frames)


def write(folder: Path, problem: Problem, drawn: Drawn, figures: bool = True) -> None:
    """The maps and, as a figure, a sheet of draws."""
    depth = problem.bit_depth
    deviation, error = problem.crop(drawn.std), problem.crop(drawn.error)
    tops = [max(float(map_.max()), 1e-6) for map_ in (deviation, error)]
    maps = [deviation / tops[0], error / tops[1]]
    for name, map_ in zip(FILES, maps, strict=False):
        write_png(folder / name, map_, depth)
    if not figures:
        return
    first = {
        "mean": problem.crop(drawn.mean),
        f"deviation, to {tops[0]:.3f}": maps[0],
        f"error below at 90 %, to {tops[1]:.3f}": maps[1],
    }
    if problem.clean is not None:
        first["original"] = problem.clean
    samples = [problem.crop(image) for image in drawn.samples]
    rows = [list(first.values())]
    rows += [samples[i : i + 4] for i in range(0, len(samples), 4)]
    labels = ["", "samples", *[""] * (len(rows) - 2)]
    sheet(folder / FILES[2], rows, labels, list(first))


def scores(problem: Problem, drawn: Drawn) -> dict[str, Any]:
    """Means of the maps, and the share of true errors below the 90 % quantile."""
    found: dict[str, Any] = {
        "deviation_mean": float(problem.crop(drawn.std).mean()),
        "error90_mean": float(problem.crop(drawn.error).mean()),
    }
    if problem.clean is not None:
        errors = np.abs(problem.clean - problem.crop(drawn.mean))
        found["coverage90"] = float(np.mean(errors <= problem.crop(drawn.error)))
    return found
