"""Observed, total variation, PnP-HVAE and Adam on the same observations, one table."""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.evaluation.harness import Solved, solve_all, starting_image
from jaxrestore.evaluation.inputs import (
    Images,
    hierarchical_prior,
    test_images,
    validation_images,
)
from jaxrestore.evaluation.pictures import columns, draw
from jaxrestore.evaluation.report import write
from jaxrestore.evaluation.scoring import best_of, score_all, scorer
from jaxrestore.evaluation.tables import scores_table
from jaxrestore.experiments.settings import (
    Validated,
    level,
    levels,
    of_255,
    pnp_settings,
    taus,
)
from jaxrestore.settings import count, flag, number, plain, sequence, setting, text
from jaxrestore.solvers import Stopping, create

QUICK = {
    "max_images": 1,
    "steps": 2,
    "tv_steps": 3,
    "adam_steps": 2,
    "val_images": 1,
    "tv_weights": (10.0, 20.0),
    "temperatures": (0.8,),
    "decoder_stds": of_255(10),
}
_positive = number(0, above=True)


@dataclass(frozen=True)
class Config(Validated):
    """Of a comparison."""

    settings: str = setting(
        "", text, "JSON file, as an earlier run wrote beside its table"
    )
    steps: int = setting(50, count(), "PnP-HVAE iterations")
    tolerance: float = setting(2e-3, number(0), "of PnP-HVAE")
    batch: int = setting(1, count(), "images solved together")
    tv_steps: int = setting(100, count(), "of total variation")
    tv_weights: tuple = setting(
        (1.0, 3.0, 6.0, 12.0, 25.0, 50.0),
        sequence(_positive),
        "total variation's weights to choose from, times noise level, times 100",
    )
    rates: tuple = setting((), sequence(_positive, 0), "also Adam at these rates")
    adam_steps: int = setting(500, count(), "of Adam")
    adam_tolerance: float = setting(1e-4, number(0), "of Adam")
    tune: bool = setting(
        False, flag, "choose PnP-HVAE's settings on --val; --no-tune: as tuned before"
    )
    temperatures: tuple = setting((0.6, 0.8, 0.95), taus, "of --tune")
    decoder_stds: tuple = setting(of_255(5, 10, 20), levels, "of --tune, of 255")
    encoder_noises: tuple = setting(
        (), sequence(level(zero=True, none=True), 0), "of --tune, of 255; else as tuned"
    )
    lpips: str = setting("", text, "LPIPS weights, as jaxrestore.convert writes them")
    shown: int = setting(1, count(), "images of each case drawn")


class Problem(NamedTuple):
    """A column of the table.

    Attributes:
        label: its head, such as a noise level or a task's name.
        task: whose tuned settings are taken, one of `presets.TASKS`.
        noise: level in [0, 1] units.
        degrade: (images by name, key) -> {case: observations}; a case, such as a
            kernel, is solved and scored by itself.
        keys: what the CSV calls label and case.
        tuned: the image that --tune scores, "mean" or "image" (the last data step).
    """

    label: str
    task: str
    noise: float
    degrade: Callable[[Images, jax.Array], dict[str, list]]
    keys: tuple[str, str] = ("task", "case")
    tuned: str = "image"


class Data(NamedTuple):
    """The prior, None for --prior=none, test and validation images."""

    prior: Any
    images: Images
    val: Images


def read(config: Config, name: str) -> Data:
    """What a comparison works on."""
    prior = None if config.prior == "none" else hierarchical_prior(config.prior, name)
    return Data(prior, test_images(prior, config), validation_images(prior, config))


def compare(config: Config, report, data: Data, problems: Sequence[Problem]) -> None:
    """Chooses settings on the validation images, scores the test images, tabulates.

    Args:
        config: of the comparison.
        report: takes rows, picture and table.
        data: what `read` returns.
        problems: the columns of the table.
    """
    score, settings = scorer(config.lpips), known_settings(config, report, problems)
    keys = jax.random.split(jax.random.key(config.seed), (2, len(problems)))
    for problem, key in zip(problems, keys[1], strict=True):
        degraded = problem.degrade(data.val, key).values()
        cases = [(observations, data.val.values()) for observations in degraded]
        choose(config, data.prior, cases, problem, settings[problem.label])
    write(report.file("_settings.json"), json.dumps(plain(settings), indent=2) + "\n")
    rows, drawn, bar = [], [], tqdm(problems, "test", disable=None)
    for problem, key in zip(bar, keys[0], strict=True):
        for case, seen in problem.degrade(data.images, key).items():
            results = solve(config, data.prior, seen, settings[problem.label])
            names = dict(zip(problem.keys, (problem.label, case), strict=True))
            rows += [names | row for row in score_all(results, data.images, score)]
            head = f"{problem.label}, {case}"
            drawn += columns(head, seen, results, data.images, config.shown)
            report.rows(rows)
    draw(report.picture, drawn)
    count, steps = len(data.images), config.steps
    caption = f"{count} images, prior {config.prior}, {steps} steps at most"
    report.table(scores_table(rows, caption, problems[0].keys[0]), settings)


def known_settings(config: Config, report, problems) -> dict[str, dict[str, dict]]:
    """Label -> solver -> settings, before anything is chosen.

    Raises:
        InputError: --settings is no such file, or lacks a problem.
    """
    if not config.settings:
        return {
            p.label: {"pnp_hvae": pnp_settings(config, report, p.task, p.noise)}
            if config.prior != "none"
            else {}
            for p in problems
        }
    try:
        table = json.loads(Path(config.settings).read_text())
        return {
            p.label: {name: dict(own) for name, own in table[p.label].items()}
            for p in problems
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
    except KeyError as error:
        reason = f"has nothing for {error}"
    raise InputError(
        f"--settings={config.settings}: {reason}; expected a JSON file such as"
        " NAME_settings.json from an earlier run"
    )


def choose(config: Config, prior, cases, problem: Problem, known: dict) -> None:
    """Put into `known` what is best on the validation images; cases as `best_of`."""
    if "tv" not in known:
        grid = [{"weight": w / 100 / problem.noise} for w in config.tv_weights]

        def flat(observations, **point):
            return [run.image for run in run_tv(config, observations, point).runs]

        label = f"total variation, {problem.label}"
        known["tv"] = best_of(grid, flat, cases, label)
    if prior is not None and config.tune and not config.settings:
        told = config.encoder_noises or (known["pnp_hvae"].get("encoder_noise"),)
        known["pnp_hvae"] = tune_pnp(config, prior, cases, problem, told)


def tune_pnp(config: Any, prior, cases, problem: Problem, told) -> dict[str, Any]:
    """PnP-HVAE's settings with the best mean PSNR of what `problem.tuned` names.

    Args:
        config: with "temperatures", "decoder_stds", "steps", "tolerance", "batch".
        prior: hierarchical.
        cases: pairs of observations and clean images.
        problem: what is restored.
        told: noise levels that the encoder is told, or None.
    """
    names = "temperature", "decoder_std", "encoder_noise"
    points = itertools.product(config.temperatures, config.decoder_stds, told)
    grid = [dict(zip(names, point, strict=True)) for point in points]

    def solved(observations, **point):
        runs = run_pnp(config, prior, observations, point).runs
        return [getattr(run, problem.tuned) for run in runs]

    return best_of(grid, solved, cases, f"PnP-HVAE, {problem.label}")


def run_tv(config: Any, observations, settings) -> Solved:
    """Total variation of all observations."""
    method, steps = create("tv", settings), config.tv_steps
    return solve_all(method, observations, batch=config.batch, max_steps=steps)


def run_pnp(config: Any, prior, observations, settings, history=False) -> Solved:
    """PnP-HVAE of all observations."""
    return solve_all(
        create("pnp_hvae", settings, prior),
        observations,
        batch=config.batch,
        stopping=Stopping(tolerance=config.tolerance),
        max_steps=config.steps,
        history=history,
    )


def run_adam(config: Any, prior, observations, settings, rate, history=False) -> Solved:
    """Adam on the objective of PnP-HVAE, with its settings."""
    return solve_all(
        create("joint_map", settings | {"learning_rate": rate}, prior),
        observations,
        batch=config.batch,
        stopping=Stopping(tolerance=config.adam_tolerance),
        max_steps=config.adam_steps,
        history=history,
    )


def solve(config: Config, prior, observations, settings) -> dict[str, tuple]:
    """method -> (images, seconds for all of them, restorations or ())."""
    start = [np.asarray(starting_image(o)) for o in observations]
    tv = run_tv(config, observations, settings["tv"])
    results: dict[str, tuple] = {
        "start": (start, 0.0, ()),
        "total variation": ([r.image for r in tv.runs], tv.seconds, tv.runs),
    }
    if prior is None:
        return results
    chosen = settings["pnp_hvae"]
    solved = {"PnP-HVAE": run_pnp(config, prior, observations, chosen)}
    for rate in config.rates:
        adam = run_adam(config, prior, observations, chosen, rate)
        solved[f"Adam, {rate:g}"] = adam
    for method, (runs, seconds) in solved.items():
        results[f"{method} (mean)"] = [r.mean for r in runs], seconds, runs
        results[f"{method} (image)"] = [r.image for r in runs], seconds, runs
    return results
