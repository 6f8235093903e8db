"""Methods on the same observations, their settings chosen on others, one table."""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
from jaxrestore.evaluation.scoring import best_of, outcome, score_all, scorer
from jaxrestore.evaluation.tables import scores_table
from jaxrestore.experiments import settings as kinds
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
    "decoder_stds": kinds.of_255(10),
}
_positive = number(0, above=True)


@dataclass(frozen=True)
class Config(kinds.Validated):
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
    temperatures: tuple = setting((0.6, 0.8, 0.95), kinds.taus, "of --tune")
    decoder_stds: tuple = setting(
        kinds.of_255(5, 10, 20), kinds.levels, "of --tune, of 255"
    )
    encoder_noises: tuple = setting(
        (), sequence(kinds.told, 0), "of --tune, of 255; else as tuned"
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
        tuned: the image that settings are chosen by, "mean" or "image" (the last data
            step), of methods that have both.
    """

    label: str
    task: str
    noise: float
    degrade: Callable[[Images, jax.Array], dict[str, list]]
    keys: tuple[str, str] = ("task", "case")
    tuned: str = "image"


class Entry(NamedTuple):
    """A method in the table.

    Attributes:
        name: its lines' head.
        make: settings -> solver.
        grid: problem -> settings to choose from on the validation images.
        max_steps: of the solver.
        stopping: its rules; None: the solver's own.
        key: of its settings; "": its name. Entries may share them.
        shows: which images are scored.
        history: recorded, for `facts`.
    """

    name: str
    make: Callable[[dict], Any]
    grid: Callable[[Problem], list[dict]]
    max_steps: int
    stopping: Stopping | None = None
    key: str = ""
    shows: tuple[str, ...] = ("image",)
    history: bool = False

    def solve(self, observations, settings: dict, batch: int) -> Solved:
        """All observations."""
        return solve_all(
            self.make(settings),
            observations,
            batch=batch,
            stopping=self.stopping,
            max_steps=self.max_steps,
            history=self.history,
        )

    def choose(self, cases, problem: Problem, batch: int) -> dict:
        """The best settings of the grid; cases as for `best_of`."""
        shown = problem.tuned if problem.tuned in self.shows else self.shows[0]

        def solved(observations, **point):
            runs = self.solve(observations, point, batch).runs
            return [getattr(run, shown) for run in runs]

        label = f"{self.name}, {problem.label}"
        return best_of(self.grid(problem), solved, cases, label)


def natural(config: Config, report, name: str, problems: Sequence[Problem]) -> None:
    """Total variation, PnP-HVAE and Adam; the whole of such an experiment."""
    prior = None if config.prior == "none" else hierarchical_prior(config.prior, name)
    entries = [total_variation(config.tv_weights, config.tv_steps)]
    if prior is not None:
        entries.append(pnp_hvae(config, report, prior))
        entries += [adam(config, prior, rate) for rate in config.rates]
    images, val = test_images(prior, config), validation_images(prior, config)
    caption = f"prior {config.prior}, {config.steps} steps at most"
    key = jax.random.key(config.seed)
    compare(config, report, key, entries, problems, images, val, caption)


def total_variation(weights, steps: int) -> Entry:
    """Total variation; weights times noise level, times 100."""

    def grid(problem: Problem) -> list[dict]:
        return [{"weight": weight / 100 / problem.noise} for weight in weights]

    return Entry("total variation", partial(create, "tv"), grid, steps, key="tv")


def pnp_hvae(config: Any, report, prior, history: bool = False) -> Entry:
    """PnP-HVAE, as tuned before or, with `config.tune`, from a grid."""

    def grid(problem: Problem) -> list[dict]:
        tuned = kinds.pnp_settings(config, report, problem.task, problem.noise)
        if not getattr(config, "tune", False):
            return [tuned]
        told = config.encoder_noises or (tuned.get("encoder_noise"),)
        points = itertools.product(config.temperatures, config.decoder_stds, told)
        names = "temperature", "decoder_std", "encoder_noise"
        return [dict(zip(names, point, strict=True)) for point in points]

    return Entry(
        "PnP-HVAE",
        lambda settings: create("pnp_hvae", settings, prior),
        grid,
        config.steps,
        Stopping(tolerance=config.tolerance),
        "pnp_hvae",
        ("mean", "image"),
        history,
    )


def adam(config: Any, prior, rate: float, history: bool = False) -> Entry:
    """Adam on the objective of PnP-HVAE, with its settings."""
    return Entry(
        f"Adam, {rate:g}",
        lambda settings: create("joint_map", settings | {"learning_rate": rate}, prior),
        lambda problem: [],
        config.adam_steps,
        Stopping(tolerance=config.adam_tolerance),
        "pnp_hvae",
        ("mean", "image"),
        history,
    )


def compare(
    config: Any,
    report,
    key: jax.Array,
    entries: Sequence[Entry],
    problems: Sequence[Problem],
    images: Images,
    val: Images,
    caption: str,
    facts: Callable[[Any], dict] = outcome,
    more: Callable[[list], str] = lambda rows: "",
) -> None:
    """Chooses settings on the validation images, scores the test images, tabulates.

    Args:
        config: with "batch" and "shown"; "settings" and "lpips" if wanted.
        report: takes rows, picture and table.
        key: of all noise and masks.
        entries: the lines of the table.
        problems: the columns of the table.
        images: clean test images.
        val: clean validation images, of grids with several points.
        caption: of the table.
        facts: restoration -> further columns of the CSV.
        more: rows -> what follows the table.
    """
    score, settings = scorer(getattr(config, "lpips", "")), _known(config, problems)
    keys = jax.random.split(key, (2, len(problems)))
    for problem, own in zip(problems, keys[1], strict=True):
        degraded, known = problem.degrade(val, own).values(), settings[problem.label]
        cases = [(observations, val.values()) for observations in degraded]
        for entry in entries:
            if (name := entry.key or entry.name) not in known:
                known[name] = entry.choose(cases, problem, config.batch)
    write(report.file("_settings.json"), json.dumps(plain(settings), indent=2) + "\n")
    rows, drawn, bar = [], [], tqdm(problems, "test", disable=None)
    for problem, own in zip(bar, keys[0], strict=True):
        for case, seen in problem.degrade(images, own).items():
            results = _solve(entries, seen, settings[problem.label], config.batch)
            names = dict(zip(problem.keys, (problem.label, case), strict=True))
            scored = score_all(results, images, score, facts)
            rows += [names | row for row in scored]
            head = f"{problem.label}, {case}"
            drawn += columns(head, seen, results, images, config.shown)
            report.rows(rows)
    draw(report.picture, drawn)
    table = scores_table(rows, f"{len(images)} images, {caption}", problems[0].keys[0])
    report.table(f"{table}{more(rows)}", settings)


def _solve(entries, observations, settings, batch: int) -> dict[str, tuple]:
    """line -> (images, seconds for all of them, restorations or ())."""
    start = [np.asarray(starting_image(o)) for o in observations]
    results: dict[str, tuple] = {"start": (start, 0.0, ())}
    for entry in entries:
        known = settings[entry.key or entry.name]
        runs, seconds = entry.solve(observations, known, batch)
        for shown in entry.shows:
            several = f" ({shown})" if len(entry.shows) > 1 else ""
            found = [getattr(run, shown) for run in runs]
            results[entry.name + several] = found, seconds, runs
    return results


def _known(config: Any, problems) -> dict[str, dict[str, dict]]:
    """Label -> key -> settings, of --settings.

    Raises:
        InputError: it is no such file, or lacks a problem.
    """
    file = getattr(config, "settings", "")
    try:
        table = json.loads(Path(file).read_text()) if file else {}
        found = {p.label: table[p.label] if file else {} for p in problems}
        return {
            label: {name: dict(own) for name, own in of.items()}
            for label, of in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
    except KeyError as error:
        reason = f"has nothing for {error}"
    raise InputError(
        f"--settings={file}: {reason}; expected a JSON file such as"
        " NAME_settings.json from an earlier run"
    )
