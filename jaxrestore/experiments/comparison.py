"""Methods on the same observations, their settings chosen on others, one table."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.evaluation import harness
from jaxrestore.evaluation.inputs import (
    Images,
    prior_and_images,
    test_images,
    validation_images,
)
from jaxrestore.evaluation.pictures import columns, draw
from jaxrestore.evaluation.report import write
from jaxrestore.evaluation.tables import SCORES, SECONDS, across, of, table
from jaxrestore.experiments import settings as kinds
from jaxrestore.operators import Mask, Operator
from jaxrestore.settings import count, flag, number, plain, sequence, setting, text
from jaxrestore.solvers import Stopping, create
from jaxrestore.solvers.presets import preset

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


@kinds.configured()
class Compared(kinds.Pictures):
    """Of every comparison."""

    settings: str = setting(
        "", text, "JSON file, as an earlier run wrote beside its table"
    )


@kinds.configured()
class Config(Compared, kinds.Adam, kinds.Validated):
    """Of total variation, PnP-HVAE and Adam."""

    steps: int = setting(50, count(), "PnP-HVAE iterations")
    tolerance: float | None = setting(
        None, number(0, none=True), "of PnP-HVAE; none: as tuned"
    )
    tv_steps: int = setting(100, count(), "of total variation")
    tv_weights: tuple = setting(
        (1.0, 3.0, 6.0, 12.0, 25.0, 50.0),
        sequence(number(0, above=True)),
        "total variation's weights to choose from, times noise level, times 100",
    )
    schedule: str = setting("preset", text, "of PnP-HVAE; else 5:8 | none")
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
    schedules: tuple = setting(("none",), sequence(text), "of --tune, such as 5:8")


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


def random_problem(
    label: str, task: str, noise: float, case: str, make: Callable[..., Operator]
) -> Problem:
    """A problem of one case whose operators are make(shape, rng), one an image."""

    def degrade(images, key):
        operator_key, noise_key = jax.random.split(key)
        rng = harness.generator(operator_key)
        operators = [make(image.shape, rng) for image in images.values()]
        return {case: harness.observe(noise_key, images.values(), operators, noise)}

    return Problem(label, task, noise, degrade)


def masks(draw: Callable, share: float) -> Callable[..., Mask]:
    """(shape, rng) -> the operator of draw((H, W), share, rng), a mask (H, W, 1)."""
    return lambda shape, rng: Mask(jnp.asarray(draw(shape[:2], share, rng)))


def missing(shape: tuple[int, ...], share: float, rng: np.random.Generator):
    """Mask (H, W, 1), 0 at a share of the pixels."""
    return (rng.random((*shape, 1)) >= share).astype(np.float32)


class Entry(NamedTuple):
    """A method in the table.

    Attributes:
        name: its lines' head.
        key: of its settings; entries may share them.
        solver, models: as `solvers.create` takes them.
        grid: problem -> settings to choose from on the validation images.
        limits: what `solve_all` takes: stopping, max_steps, history.
        fixed: settings that are not chosen.
        shows: which images are scored.
    """

    name: str
    key: str
    solver: str
    models: tuple
    grid: Callable[[Problem], list[dict]]
    limits: Mapping[str, Any]
    fixed: Mapping[str, Any] = {}
    shows: tuple[str, ...] = ("image",)

    def solve(self, observations, settings: dict, batch: int) -> tuple[list, float]:
        """All observations: restorations, and seconds for all of them."""
        method, limits = self._method(settings)
        return harness.solve_all(method, observations, batch, **limits)

    def memory(self, observation, settings: dict) -> float:
        """Megabytes of temporaries for one image."""
        method, limits = self._method(settings)
        return harness.memory(method, observation, **limits)

    def _method(self, settings: dict) -> tuple[Any, dict[str, Any]]:
        given = {**settings, **self.fixed}
        tuned = given.pop("tolerance", None)
        limits: dict[str, Any] = {} if tuned is None else {"stopping": Stopping(tuned)}
        return create(self.solver, given, *self.models), {**limits, **self.limits}

    def lines(self, observations, settings: dict, batch: int) -> dict[str, tuple]:
        """line -> (images, seconds for all of them, restorations)."""
        runs, seconds = self.solve(observations, settings, batch)
        return {
            f"{self.name} ({shown})" if len(self.shows) > 1 else self.name: (
                [getattr(run, shown) for run in runs],
                seconds,
                runs,
            )
            for shown in self.shows
        }

    def choose(self, cases, problem: Problem, batch: int) -> dict:
        """The settings of the grid with the best mean PSNR.

        Args:
            cases: pairs of observations and clean images.
            problem: that they pose.
            batch: images solved together.
        """
        grid, means = self.grid(problem), []
        if len(grid) == 1:
            return grid[0]
        shown = problem.tuned if problem.tuned in self.shows else self.shows[0]
        label = f"{self.name}, {problem.label}"
        for chosen in tqdm(grid, desc=f"tune {label}", disable=None):
            values = [
                harness.scores(getattr(run, shown), clean)["psnr"]
                for observations, images in cases
                for run, clean in zip(
                    self.solve(observations, chosen, batch)[0], images, strict=True
                )
            ]
            means.append(float(np.mean(np.nan_to_num(values, nan=-np.inf))))
            tqdm.write(f"val, {label}, {chosen}: {means[-1]:.3f} dB")
        return grid[int(np.argmax(means))]


def natural(
    config: Config,
    report,
    problems: Sequence[Problem],
    more: Callable[[Any], list[Entry]] = lambda prior: [],
    costs: bool = False,
) -> None:
    """Total variation, PnP-HVAE and Adam; the whole of such an experiment.

    Args:
        more: prior -> further methods.
        costs: the CSV tells the memory of each method, too.
    """
    entries = [total_variation(config.tv_weights, config.tv_steps)]
    if config.prior == "none":
        prior, images = None, test_images(config)
    else:
        prior, images = prior_and_images(config)
        entries += [pnp_hvae(config, report, prior)]
        entries += [adam(config, prior, rate) for rate in config.rates]
        entries += more(prior)
    val = validation_images(config, prior)
    caption = f"prior {config.prior}, {config.steps} steps at most"
    key = jax.random.key(config.seed)
    sets = images, val
    compare(config, report, key, entries, problems, *sets, caption, costs=costs)


def total_variation(weights, steps: int) -> Entry:
    """Total variation; weights times noise level, times 100."""

    def grid(problem: Problem) -> list[dict]:
        return [{"weight": weight / 100 / problem.noise} for weight in weights]

    return Entry("total variation", "tv", "tv", (), grid, {"max_steps": steps})


def pnp_hvae(config: Any, report, prior, **limits: Any) -> Entry:
    """PnP-HVAE, as tuned before or, with `config.tune`, from a grid."""

    def grid(problem: Problem) -> list[dict]:
        tuned = kinds.pnp_settings(config, report, problem.task, problem.noise)
        if not getattr(config, "tune", False):
            return [tuned]
        told = config.encoder_noises or (None,)
        grid = config.temperatures, config.decoder_stds, told, config.schedules
        names = "temperature", "decoder_std", "encoder_noise", "schedule"
        return [
            kinds.pnp_settings(
                SimpleNamespace(
                    prior=config.prior, **dict(zip(names, point, strict=True))
                ),
                report,
                problem.task,
                problem.noise,
            )
            for point in itertools.product(*grid)
        ]

    rules: dict[str, Any] = {"max_steps": config.steps}
    if config.tolerance is not None:
        rules["stopping"] = Stopping(config.tolerance)
    first = "PnP-HVAE", "pnp_hvae", "pnp_hvae", (prior,), grid
    return Entry(*first, rules | limits, shows=("mean", "image"))


def adam(config: kinds.Adam, prior, rate: float, **limits: Any) -> Entry:
    """Adam on the objective of PnP-HVAE, with the settings of a constant run."""

    def grid(problem: Problem) -> list[dict]:
        return [preset("joint_map", config.prior, problem.task, problem.noise).settings]

    rules = {"stopping": Stopping(config.adam_tolerance)}
    rules |= {"max_steps": config.adam_steps, **limits}
    fixed, shows = {"learning_rate": rate}, ("mean", "image")
    first = f"Adam, {rate:g}", "joint_map", "joint_map", (prior,), grid
    return Entry(*first, rules, fixed, shows)


def compare(
    config: Compared,
    report,
    key: jax.Array,
    entries: Sequence[Entry],
    problems: Sequence[Problem],
    images: Images,
    val: Images,
    caption: str,
    facts: Callable[[Any], dict] = harness.outcome,
    more: Callable[[list], str] = lambda rows: "",
    costs: bool = False,
) -> None:
    """Chooses settings on the validation images, scores the test images, tabulates.

    Args:
        config: of the comparison.
        report: takes rows, picture and table.
        key: of all noise and masks.
        entries: the lines of the table.
        problems: the columns of the table.
        images: clean test images.
        val: clean validation images, of grids with several points.
        caption: of the table.
        facts: restoration -> further columns of the CSV.
        more: rows -> what follows the table.
        costs: also a column of megabytes, what one image takes beside its data.
    """
    score, settings = harness.scorer(config.lpips), _known(config.settings, problems)
    keys = jax.random.split(key, (2, len(problems)))
    for problem, own in zip(problems, keys[1], strict=True):
        degraded, known = problem.degrade(val, own).values(), settings[problem.label]
        cases = [(observations, val.values()) for observations in degraded]
        for entry in entries:
            if entry.key not in known:
                known[entry.key] = entry.choose(cases, problem, config.batch)
    write(report.file("_settings.json"), json.dumps(plain(settings), indent=2) + "\n")
    rows, drawn, bar = [], [], tqdm(problems, "test", disable=None)
    for problem, own in zip(bar, keys[0], strict=True):
        for case, seen in problem.degrade(images, own).items():
            start = [np.asarray(harness.starting_image(o)) for o in seen]
            results: dict[str, tuple] = {"start": (start, 0.0, ())}
            megabytes = {}
            for entry in entries:
                known = settings[problem.label][entry.key]
                lines = entry.lines(seen, known, config.batch)
                results |= lines
                if costs:
                    own = entry.memory(seen[0], known)
                    megabytes |= {line: {"megabytes": own} for line in lines}
            names = dict(zip(problem.keys, (problem.label, case), strict=True))
            scored = harness.score_all(results, images, score, facts)
            rows += [names | row | megabytes.get(row["method"], {}) for row in scored]
            head = f"{problem.label}, {case}"
            drawn += columns(head, seen, results, images, config.shown)
            report.rows(rows)
    draw(report.picture, drawn)
    lpips = "LPIPS / " * bool(config.lpips)
    unit = f"mean PSNR (dB) / SSIM / {lpips}seconds an image" + " / MB" * costs
    parts = *SCORES.values(), SECONDS, of("megabytes", ".1f")
    cells = across(rows, problems[0].keys[0], *parts)
    body = f"{table(rows, ['method'], cells)}{more(rows)}"
    report.table(f"{len(images)} images, {caption}; {unit}", body, settings)


def _known(file: str, problems: Sequence[Problem]) -> dict[str, dict[str, dict]]:
    """Label -> key -> settings, of --settings; empty without it.

    Raises:
        InputError: it is no such file, or lacks a problem.
    """
    labels = [problem.label for problem in problems]
    try:
        table = json.loads(Path(file).read_text()) if file else {n: {} for n in labels}
        return {n: {key: dict(v) for key, v in table[n].items()} for n in labels}
    except KeyError as error:
        reason = f"has nothing for {error}"
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
    raise InputError(
        f"--settings={file}: {reason}; expected a JSON file such as"
        " NAME_settings.json from an earlier run"
    )
