"""Restoring images one after the other: skip, restore, write, record, report."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxrestore.cli.restorer import Outcome, Restorer
from jaxrestore.cli.solve_flags import Options
from jaxrestore.cli.task import Problem, Task
from jaxrestore.data.files import make_folder
from jaxrestore.data.images import write_png
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.metrics import psnr, ssim
from jaxrestore.priors.weights import resolve, sha256
from jaxrestore.report import sheets
from jaxrestore.report import summary as records
from jaxrestore.report.table import score_table
from jaxrestore.solvers import Restoration, Status, status_name

FILES = ("observed.png", "restored.png", "comparison.png")  # beside the method's own


class Batch:
    """A run of solve.py over its images.

    Args:
        options: The checked command line.
        task: What happened to the images.
        prior: What config.prior names.

    Raises:
        InputError: A setting does not fit the prior, or the output folder holds other
            things.
    """

    def __init__(self, options: Options, task: Task, prior: Any):
        self._options = options
        self._task = task
        config = options.config
        self._restorer = Restorer(prior, config)
        header = {
            "config": config.to_dict(),
            "simulated": options.simulate,
            "prior": _weights(config.prior),
            "encoder": _weights(config.encoder) if config.encoder else None,
            "versions": records.versions(),
            "device": records.device(),
        }
        decisive = [header[k] for k in ("config", "simulated", "versions")]
        decisive += [header["prior"]["sha256"], records.array_hash(*task.contents())]
        decisive += [header["encoder"]]
        self._summary = records.Summary.resume(
            options.output / "summary.json", header, decisive
        )

    @property
    def _files(self) -> tuple[str, ...]:
        return FILES + self._restorer.method.files

    def run(self, items: Sequence[Any]) -> dict[str, str]:
        """Restores the images that are not done yet.

        Args:
            items: Images with `name`, `load()` and `sha256()`.

        Returns:
            name -> reason, for those that could not be restored.
        """
        failures, skipped = {}, []
        bar = tqdm(items, unit="image", disable=None if len(items) > 1 else True)
        for item in bar:
            bar.set_description(item.name)
            try:
                if not self._restore(item):
                    skipped.append(item.name)
            except InputError as error:
                failures[item.name] = str(error)
                self._summary.fail(item.name, str(error))
                if len(items) > 1:
                    _say(f"error: {error}")
        self._report([item.name for item in items], skipped)
        return failures

    def _restore(self, item: Any) -> bool:
        """Restores an image; False if it was done already."""
        folder = self._options.output / item.name
        input_hash = item.sha256()
        files = [folder / file for file in self._files]
        if not self._options.overwrite and self._summary.is_done(
            item.name, input_hash, files
        ):
            return False
        problem = self._task.problem(item.name, item.load())
        for note in (*problem.notes, self._headline(problem)):
            _say(f"{item.name}: {note}")
        outcome = self._restorer(problem)
        image = self._chosen(problem, outcome)
        if int(outcome.restoration.status) == Status.DIVERGED:
            raise InputError(
                f"--input={item.path or 'sample'}: the solver diverged after"
                f" {int(outcome.restoration.steps)} steps; raise --noise_std or"
                f" {self._restorer.method.remedy}"
            )
        record = {
            "name": item.name,
            "input": str(item.path or "sample"),
            "input_sha256": input_hash,
            **_describe(problem, outcome),
            **_scores(problem, image),
            **self._restorer.method.scores(problem, outcome.restoration),
        }
        make_folder(folder, "--output")
        self._write(folder, problem, outcome, image, record)
        self._summary.add(record)
        return True

    def _headline(self, problem: Problem) -> str:
        height, width, channels = problem.observed.shape
        size = f"{width}x{height} {'grey' if channels == 1 else 'colour'}"
        solver = self._options.config.solver
        if self._options.config.encoder:
            return f"enlarging {size}, {solver.n_samples} samples"
        noise = f"{255 * problem.noise_std:.2f}/255"
        return f"restoring {size}, noise {noise}, up to {solver.max_steps} steps"

    def _chosen(self, problem: Problem, outcome: Outcome) -> np.ndarray:
        restoration = outcome.restoration
        mean = self._options.config.output_image == "mean"
        return problem.crop(restoration.mean if mean else restoration.image)

    def _write(
        self,
        folder: Path,
        problem: Problem,
        outcome: Outcome,
        image: np.ndarray,
        record: dict[str, Any],
    ) -> None:
        write_png(folder / "observed.png", problem.observed, problem.bit_depth)
        write_png(folder / "restored.png", image, problem.bit_depth)
        panels = [
            sheets.Panel("observed", problem.observed, self._start_note(record)),
            sheets.Panel("restored", image, _note(record, "")),
        ]
        if problem.clean is not None:
            panels.append(sheets.Panel("clean", problem.clean))
        sheets.comparison(folder / "comparison.png", panels)
        self._restorer.method.write(folder, problem, outcome.restoration)

    def _start_note(self, record: dict[str, Any]) -> str:
        """What the solver starts from, where that is not what is shown, scored."""
        starts = {"downsample": "bicubic: ", "mask": "filled smoothly: "}
        note = _note(record, "_observed")
        return note and starts.get(self._options.config.task, "") + note

    def _report(self, names: Sequence[str], skipped: Sequence[str]) -> None:
        kept = [self._summary.records[n] for n in names if n in self._summary.records]
        if skipped:
            _say(
                f"{len(skipped)} of {len(names)} done before with these settings and"
                " skipped; --overwrite restores them again"
            )
        if not kept:
            return
        print(score_table(kept))
        place = names[0] if len(kept) == 1 else "NAME"
        print(f"Files: {self._options.output}/{place}/{{{','.join(self._files)}}}")
        print(f"Scores and settings: {self._summary.path}")


def _weights(name: str) -> dict[str, str]:
    return {"name": name, "sha256": sha256(resolve(name)[0])}


def _describe(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    restoration = outcome.restoration
    return {
        "shape": list(problem.observed.shape),
        "noise_std": problem.noise_std,
        **outcome.settings,
        **_chosen(restoration),
        "steps": int(restoration.steps),
        "residual": float(restoration.residual),
        "status": status_name(restoration.status),
        "seconds": outcome.seconds,
        "compile_seconds": outcome.compile_seconds,
        "notes": list(problem.notes),
    }


def _chosen(restoration: Restoration) -> dict[str, Any]:
    if restoration.temperature is None:
        return {}
    return {"temperature": np.asarray(restoration.temperature).tolist()}


def _scores(problem: Problem, image: np.ndarray) -> dict[str, Any]:
    """PSNR and SSIM of the solver's starting image and of the restored one.

    The starting image is the observation itself, its bicubic enlargement, or its
    holes filled smoothly.
    """
    clean = problem.clean
    names = ("psnr_observed", "ssim_observed", "psnr", "ssim")
    scores: dict[str, Any] = dict.fromkeys(names)
    if clean is None:
        return scores
    start = problem.crop(_starting_image(problem.observation))
    for suffix, candidate in (("_observed", start), ("", image)):
        scores["psnr" + suffix] = float(psnr(candidate, clean))
        if min(clean.shape[:2]) >= 11:
            scores["ssim" + suffix] = float(ssim(candidate, clean))
    return scores


@jax.jit
def _starting_image(observation: Observation) -> jax.Array:
    return observation.initial_image()


def _note(record: dict[str, Any], suffix: str) -> str:
    if record["psnr"] is None:
        return ""
    text = f"{record['psnr' + suffix]:.2f} dB"
    similarity = record["ssim" + suffix]
    return text if similarity is None else f"{text}, SSIM {similarity:.3f}"


def _say(text: str) -> None:
    """A line on standard error that leaves a progress bar whole."""
    tqdm.write(text, file=sys.stderr)
