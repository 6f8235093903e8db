"""The files and scores of one restored image."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.cli import posterior
from jaxrestore.cli.degradation import BLIND
from jaxrestore.cli.outcome import Outcome
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.cli.task import Problem
from jaxrestore.data.images import LoadedImage, write_png
from jaxrestore.likelihoods import Observation
from jaxrestore.metrics import average_pairwise_distance, lr_psnr, psnr, ssim
from jaxrestore.report import charts
from jaxrestore.report.sheets import Panel, comparison, sheet
from jaxrestore.solvers import SOLVERS, Draws

FILES = ("observed.png", "restored.png")
STREAMED = "restored.tif", "overview.png"
REJECTED = "rejected.tif"
FIGURES = ("comparison.png", "convergence.png", "samples.png", "chain.gif")
_SHOWN = 16  # samples in the picture of all
_STARTS = {
    "downsample": "bicubic: ",
    "resize": "bicubic: ",
    "mask": "filled smoothly: ",
}


def names(
    config: SolveConfig, figures: bool = True, streamed: bool = False
) -> tuple[str, ...]:
    """Names of the files of an image, `FIGURES` among them if they are wanted."""
    if streamed:
        return *STREAMED, *(("comparison.png",) if figures else ())
    if not config.sampling:
        found = "convergence.png", *(posterior.FILES if config.posterior else ())
    elif SOLVERS[config.solver.name].markov:
        found = posterior.CHAIN_FILES
    else:
        samples = [f"sample_{i:02d}.png" for i in range(config.sampling.n_samples)]
        found = "samples.png", "deviation.png", *samples
    found = *FILES, "comparison.png", *found
    return tuple(name for name in found if figures or name not in FIGURES)


def remove_old(folder: Path) -> None:
    """Removes what an earlier run may have left and this one may not write."""
    written = "rejected.png", "kernel.png", "kernel.npy", *STREAMED, REJECTED, *FIGURES
    for name in written:
        (folder / name).unlink(missing_ok=True)


def write(
    folder: Path,
    problem: Problem,
    outcome: Outcome,
    scores: dict,
    config: SolveConfig,
    source: LoadedImage | None = None,
    figures: bool = True,
) -> None:
    """Write the files of an image into a folder.

    Args:
        source: the file that was restored, whose colour profile and alpha are kept.
        figures: write those that are drawn, `FIGURES`, too.
    """
    remove_old(folder)
    image, depth = problem.crop(outcome.image), problem.bit_depth
    icc, alpha = (source.icc, source.alpha) if source else (None, None)
    write_png(folder / "observed.png", problem.observed, depth, icc=icc)
    write_png(folder / "restored.png", image, depth, icc=icc, alpha=alpha)
    if outcome.rejected is not None:
        write_png(
            folder / "rejected.png", problem.crop(outcome.rejected), depth, icc=icc
        )
    if config.kernel.kind == BLIND and problem.degradation.kernel is not None:
        kernel = problem.degradation.kernel[..., None]
        write_png(folder / "kernel.png", kernel / kernel.max(), 16)
        np.save(folder / "kernel.npy", kernel[..., 0])
    if figures:
        _compare(folder, problem, image, scores, config)
    if outcome.drawn:
        posterior.write(folder, problem, outcome.drawn, figures)
    if isinstance(outcome.result, Draws):
        if not outcome.drawn:
            _write_draws(folder, problem, outcome.result, figures)
        elif figures:
            posterior.write_chain(folder, problem, outcome.result)
        return
    if figures:
        curves: Any = outcome.result.history
        history = {name: np.asarray(values) for name, values in curves.items()}
        path, tolerance = folder / "convergence.png", outcome.record["tolerance"]
        charts.convergence(path, history, tolerance, "objective")


def _compare(folder: Path, problem: Problem, image, scores: dict, config) -> None:
    """Observed, restored and clean beside each other."""
    # What the solver starts from, where that is not what is shown, is scored.
    start = _note(scores, "_observed")
    start = start and _STARTS.get(config.task, "") + start
    panels = [
        Panel("observed", problem.observed, start),
        Panel("restored", image, _note(scores, "")),
    ]
    if problem.clean is not None:
        panels.append(Panel("clean", problem.clean))
    comparison(folder / "comparison.png", panels)


def _write_draws(folder: Path, problem: Problem, draws: Draws, figures: bool) -> None:
    """The samples one by one, all in one picture, and how much they differ."""
    assert draws.samples is not None
    samples = [problem.crop(sample) for sample in draws.samples]
    for number, sample in enumerate(samples):
        write_png(folder / f"sample_{number:02d}.png", sample, problem.bit_depth)
    deviation = np.std(samples, axis=0)
    map_ = deviation / max(float(deviation.max()), 1e-6)
    write_png(folder / "deviation.png", map_, problem.bit_depth)
    if not figures:
        return
    factor = samples[0].shape[0] // problem.observed.shape[0]
    first = {
        "observed": problem.observed.repeat(factor, 0).repeat(factor, 1),
        "mean": np.mean(samples, axis=0),
        f"deviation, to {deviation.max():.3f}": map_,
    }
    if problem.clean is not None:
        first["original"] = problem.clean
    shown = samples[:_SHOWN]
    rows = [list(first.values())]
    rows += [shown[i : i + 4] for i in range(0, len(shown), 4)]
    labels = ["", "samples", *[""] * (len(rows) - 2)]
    sheet(folder / "samples.png", rows, labels, list(first))


def scores(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    """PSNR and SSIM of the solver's starting image and of the restored one.

    The starting image is the observation itself, its bicubic enlargement, or its
    holes filled smoothly. Of draws also the consistency of the worst one, and how
    much they differ.
    """
    clean = problem.clean
    known = ("psnr_observed", "ssim_observed", "psnr", "ssim")
    found: dict[str, Any] = dict.fromkeys(known)
    if clean is not None:
        start = problem.crop(_starting_image(problem.observation))
        pairs = (("_observed", start), ("", problem.crop(outcome.image)))
        for suffix, candidate in pairs:
            found["psnr" + suffix] = float(psnr(candidate, clean))
            if min(clean.shape[:2]) >= 11:
                found["ssim" + suffix] = float(ssim(candidate, clean))
    if outcome.drawn:
        found |= posterior.scores(problem, outcome.drawn)
    if isinstance(outcome.result, Draws) and not outcome.drawn:
        samples, observation = outcome.result.samples, problem.observation
        assert samples is not None
        operator: Any = observation.operator
        consistent = jax.vmap(lambda x: lr_psnr(x, observation.y, operator))(samples)
        several = len(samples) > 1
        found |= {
            "lr_psnr": float(jnp.min(consistent)),
            "apd_mse": float(average_pairwise_distance(samples)) if several else None,
            "deviation_max": float(outcome.result.std.max()),
        }
    return found


@jax.jit
def _starting_image(observation: Observation) -> jax.Array:
    return observation.initial_image()


def _note(scores: dict[str, Any], suffix: str) -> str:
    if scores["psnr"] is None:
        return ""
    text = f"{scores['psnr' + suffix]:.2f} dB"
    similarity = scores["ssim" + suffix]
    return text if similarity is None else f"{text}, SSIM {similarity:.3f}"
