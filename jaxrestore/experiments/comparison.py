"""Observed, total variation, PnP-HVAE and Adam on the same observations, one table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.choices import choose, read_settings, write_settings
from jaxrestore.experiments.inputs import (
    hierarchical_prior,
    images_for,
    validation_for,
)
from jaxrestore.experiments.methods import (
    solve_adam,
    solve_pnp,
    solve_tv,
    starting_image,
)
from jaxrestore.experiments.scoring import score_all, scorer
from jaxrestore.experiments.tables import scores_table
from jaxrestore.report.sheets import sheet

QUICK = {
    "max_images": 1,
    "steps": 2,
    "tv_steps": 3,
    "adam_steps": 2,
    "val_images": 1,
    "tv_weights": [10.0, 20.0],
    "temperatures": [0.8],
    "decoder_stds": [10.0],
}


@dataclass(frozen=True)
class Problem:
    """A column of the table.

    Attributes:
        label: its head, such as a noise level or a task's name.
        task: whose settings solve.py uses: "blur", "downsample" or "mask".
        noise: level of 255.
        degrade: (images by name, seed) -> {case: observations}; a case, such as a
            kernel, is solved and scored by itself.
        keys: what the CSV calls label and case.
        tuned: the image that --tune scores, "mean" or "image" (the last data step).
    """

    label: str
    task: str
    noise: float
    degrade: Callable[[dict[str, np.ndarray], int], dict[str, list]]
    keys: tuple[str, str] = field(default=("task", "case"))
    tuned: str = "image"


def add_flags(parser, *, tune: bool, tv_weights: Sequence[float]) -> None:
    """The flags of a comparison; `tune` and `tv_weights` are its defaults."""
    kinds.add_validation(parser, 8, 192)
    add = parser.add_argument
    add("--settings", help="JSON file, as an earlier run wrote beside its table")
    add("--steps", type=kinds.count, default=50, help="PnP-HVAE iterations")
    add("--tolerance", type=kinds.number, default=2e-3, help="as in solve.py")
    add("--batch", type=kinds.count, default=1, help="images solved together")
    add("--tv_steps", type=kinds.count, default=100, help="of total variation")
    text = "total variation's weights to choose from, times noise level, times 100"
    add("--tv_weights", type=kinds.numbers, default=list(tv_weights), help=text)
    add("--rates", type=kinds.numbers, default=[], help="also Adam at these rates")
    add("--adam_steps", type=kinds.count, default=500, help="of Adam")
    add("--adam_tolerance", type=kinds.number, default=1e-4, help="of Adam")
    text = "choose PnP-HVAE's settings on --val"
    add("--tune", action="store_true", default=tune, help=text)
    add("--no-tune", action="store_false", dest="tune", help="take those of solve.py")
    grid = [0.6, 0.8, 0.95]
    add("--temperatures", type=kinds.temperatures, default=grid, help="of --tune")
    add("--decoder_stds", type=kinds.numbers, default=[5.0, 10.0, 20.0], help="of 255")
    add("--encoder_noises", type=kinds.maybe_numbers, help="told; as solve.py's")
    add("--lpips", help="LPIPS weights, as jaxrestore.convert writes them")
    add("--shown", type=kinds.count, default=1, help="images of each case drawn")


def read(flags) -> tuple[Any, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The prior (None for --prior=none), the test and the validation images."""
    none = flags.prior == "none"
    prior = None if none else hierarchical_prior(flags.prior, flags.name)
    return prior, images_for(prior, flags), validation_for(prior, flags)


def compare(report, flags, data, problems: Sequence[Problem]) -> None:
    """Chooses settings on the validation images, scores the test images, tabulates.

    Args:
        report: takes rows, picture and table.
        flags: those of `add_flags` and the common ones.
        data: what `read` returns.
        problems: the columns of the table.
    """
    (prior, images, val), score = data, scorer(flags.lpips)
    settings = read_settings(flags, problems)
    for problem in problems:
        degraded = problem.degrade(val, flags.seed + 1).values()
        cases = [(observations, val.values()) for observations in degraded]
        known = settings[problem.label]
        known |= choose(prior, cases, problem, known, flags)
    write_settings(report, settings)
    rows, drawn = [], []
    for problem in tqdm(problems, desc="test", disable=None):
        for case, seen in problem.degrade(images, flags.seed).items():
            results = solve_all(prior, seen, settings[problem.label], flags)
            keys = dict(zip(problem.keys, (problem.label, case), strict=True))
            rows += [keys | row for row in score_all(results, images, score)]
            drawn += columns(problem, case, seen, results, images, flags.shown)
            report.rows(rows)
    draw(report.picture, drawn)
    labels = [problem.label for problem in problems]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    caption = f"{len(images)} images, prior {flags.prior}, {flags.steps} steps at most"
    table = scores_table(rows, caption, problems[0].keys[0], labels, methods)
    report.table(table, settings)


def solve_all(prior, observations, chosen, flags) -> dict[str, tuple]:
    """method -> (images, seconds for all of them, restorations or ())."""
    start = [np.asarray(starting_image(o)) for o in observations]
    tv = solve_tv(observations, chosen["tv_weight"], flags)
    results: dict[str, tuple] = {
        "start": (start, 0.0, ()),
        "total variation": ([r.image for r in tv.runs], tv.seconds, tv.runs),
    }
    if prior is None:
        return results
    solved = {"PnP-HVAE": solve_pnp(prior, observations, chosen, flags)}
    for rate in flags.rates:
        adam = solve_adam(prior, observations, chosen, rate, flags)
        solved[f"Adam, {rate:g}"] = adam
    for method, (runs, seconds) in solved.items():
        results[f"{method} (mean)"] = [r.mean for r in runs], seconds, runs
        results[f"{method} (image)"] = [r.image for r in runs], seconds, runs
    return results


def columns(problem, case, observations, results, images, count: int) -> list:
    """Pictures of the first images of a case: (label, {row: image})."""
    drawn = []
    for i, clean in enumerate(list(images.values())[:count]):
        seen = observations[i]
        rows = {"observed": _enlarged(seen.operator.clean(seen.y), clean.shape)}
        rows |= {method: np.asarray(r[0][i]) for method, r in results.items()}
        drawn.append((f"{problem.label}, {case}", rows | {"clean": clean}))
    return drawn


def draw(path, drawn) -> None:
    """A column for each case and image, a row for each method; the middle of each."""
    side = min(min(rows["clean"].shape[:2]) for _, rows in drawn)
    names = list(drawn[0][1])
    pictures = [[_middle(rows[name], side) for _, rows in drawn] for name in names]
    labels = [name.replace(" (", "\n(") for name in names]  # long ones are cut off
    sheet(path, pictures, labels, [head for head, _ in drawn], inches=1.3)


def _middle(image: np.ndarray, side: int) -> np.ndarray:
    top, left = ((size - side) // 2 for size in image.shape[:2])
    return image[top : top + side, left : left + side]


def _enlarged(y, shape: tuple[int, ...]) -> np.ndarray:
    """Small observations become blocks of pixels."""
    factor = shape[0] // y.shape[0]
    return np.repeat(np.repeat(np.asarray(y), factor, 0), factor, 1)
