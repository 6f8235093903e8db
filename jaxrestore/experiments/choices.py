"""Settings of the compared methods: from a file, from solve.py, or from a grid."""

import itertools
import json
from pathlib import Path
from typing import Any

from jaxrestore import InputError
from jaxrestore.experiments.methods import solve_pnp, solve_tv
from jaxrestore.experiments.report import write
from jaxrestore.experiments.scoring import best_of
from jaxrestore.experiments.settings import chosen_for


def read_settings(flags, problems) -> dict[str, dict]:
    """The settings of every problem, by its label; numbers of 255.

    Raises:
        InputError: --settings is no such file, or lacks a problem.
    """
    if not flags.settings:
        return {p.label: chosen_for(p.task, p.noise, flags) for p in problems}
    try:
        table = json.loads(Path(flags.settings).read_text())
        return {p.label: dict(table[p.label]) for p in problems}
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
    except KeyError as error:
        reason = f"has nothing for {error}"
    raise InputError(
        f"--settings={flags.settings}: {reason}; expected a JSON file such as"
        f" {flags.name}_settings.json from an earlier run"
    )


def write_settings(report, settings: dict[str, dict]) -> None:
    """Writes what is used beside the table, in the format of --settings."""
    write(report.file("_settings.json"), json.dumps(settings, indent=2) + "\n")


def choose(prior, cases, problem, known: dict[str, Any], flags) -> dict[str, Any]:
    """What is chosen on the validation images.

    Args:
        prior: a hierarchical prior, or None.
        cases: pairs of observations and clean images.
        problem: whose noise level scales total variation's weight.
        known: settings so far; a weight in them is kept.
        flags: grids, and whether PnP-HVAE is tuned.
    """
    chosen = {}
    if "tv_weight" not in known:
        chosen |= tune_tv(cases, problem, flags)
    if prior is not None and flags.tune and not flags.settings:
        chosen |= tune_pnp(prior, cases, problem, known, flags)
    return chosen


def tune_tv(cases, problem, flags) -> dict[str, float]:
    """The weight of total variation with the best mean PSNR."""
    level = problem.noise / 255
    grid = [{"tv_weight": share / 100 / level} for share in flags.tv_weights]

    def solve(observations, point):
        return [r.image for r in solve_tv(observations, point["tv_weight"], flags).runs]

    return best_of(grid, solve, cases, f"total variation, {problem.label}")


def tune_pnp(prior, cases, problem, known, flags) -> dict[str, Any]:
    """PnP-HVAE's settings with the best mean PSNR of what `problem.tuned` names."""
    noises = flags.encoder_noises or [known["encoder_noise"]]
    axes = flags.temperatures, flags.decoder_stds, noises
    names = "temperature", "decoder_std", "encoder_noise"
    points = itertools.product(*axes)
    grid = [dict(zip(names, point, strict=True)) for point in points]

    def solve(observations, point):
        solved = solve_pnp(prior, observations, point, flags)
        return [getattr(run, problem.tuned) for run in solved.runs]

    return best_of(grid, solve, cases, f"PnP-HVAE, {problem.label}")
