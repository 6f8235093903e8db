"""Restoring images one after the other: skip, restore, write, record, report."""

import dataclasses
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxrestore.cli import outputs, watch
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.forecast import check_limits, forecast
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.cli.task import Problem, Task
from jaxrestore.cli.trust import restore_trusted
from jaxrestore.data.files import make_folder
from jaxrestore.data.images import LoadedImage, list_images, read_image
from jaxrestore.data.jpeg import read_jpeg
from jaxrestore.errors import InputError
from jaxrestore.report import summary as records
from jaxrestore.report.table import score_table
from jaxrestore.settings import as_dict
from jaxrestore.solvers import Status

SAMPLE = "cat"


@dataclasses.dataclass(frozen=True)
class Item:
    """An image to restore; `path` None is the sample."""

    name: str
    path: Path | None

    def load(self) -> LoadedImage:
        if self.path is None:
            return sample_image()
        return dataclasses.replace(read_image(self.path), jpeg=read_jpeg(self.path))

    def sha256(self) -> str:
        if self.path is None:
            return "sample"
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(
                f"--input={self.path}: cannot be read ({error.strerror}), expected an"
                " image file"
            ) from error


def items(path: str | None) -> list[Item]:
    """The images of a file or folder, with names that are theirs alone."""
    if path is None:
        return [Item(SAMPLE, None)]
    if not Path(path).is_dir():
        return [Item(Path(path).stem, Path(path))]
    files = list_images(path)
    stems = [file.stem for file in files]
    return [
        Item(file.stem if stems.count(file.stem) == 1 else file.name, file)
        for file in files
    ]


def sample_image() -> LoadedImage:
    """A 256x256 photograph of a cat, which scikit-image ships (public domain)."""
    from skimage import data

    pixels = np.asarray(data.chelsea()[20:276, 90:346], np.float32) / 255
    return LoadedImage(pixels)


class Batch:
    """A run of solve over its images.

    Args:
        config: the settings.
        output: folder for the results.
        simulate: the images are clean and are degraded first.
        overwrite: restore again what is already done.

    Raises:
        InputError: a setting does not fit the prior, or the output folder holds other
            things.
    """

    def __init__(
        self, config: SolveConfig, output: Path, simulate: bool, overwrite: bool
    ):
        self._config, self._output, self._overwrite = config, output, overwrite
        self._chosen = Chosen(config)
        self._task = Task(config, simulate, self._chosen.prior)
        header = {
            "config": as_dict(config),
            "simulated": simulate,
            **self._chosen.weights,
            "versions": records.versions(),
            "device": records.device(),
            "notes": self._task.notes,
        }
        config_ = {k: v for k, v in header["config"].items() if k != "max_minutes"}
        decisive = [config_, header["simulated"], header["versions"]]
        decisive += [self._chosen.weights, records.array_hash(*self._task.contents())]
        self._summary = records.Summary.resume(
            output / "summary.json", header, decisive
        )
        self._said: set[str] = set()

    def run(self, images: Sequence[Item]) -> dict[str, str]:
        """Restores the images that are not done yet.

        Returns:
            name -> reason, for those that could not be restored.
        """
        for note in self._task.notes:
            _say(note)
        failures, skipped = {}, []
        single = len(images) == 1
        bar = tqdm(images, unit="image", disable=True if single else None)
        for item in bar:
            bar.set_description(item.name)
            try:
                if not self._restore(item):
                    skipped.append(item.name)
            except InputError as error:
                failures[item.name] = str(error)
                if self._output.is_dir():
                    self._summary.fail(item.name, str(error))
                if not single:
                    _say(f"error: {error}")
        self._report([item.name for item in images], skipped)
        return failures

    def _restore(self, item: Item) -> bool:
        """Restores an image; False if it was done already."""
        folder, input_hash = self._output / item.name, item.sha256()
        files = [folder / name for name in outputs.names(self._config)]
        done = self._summary.is_done(item.name, input_hash, files)
        if done and not self._overwrite:
            return False
        source = item.load()
        problem = self._task.problem(item.name, source)
        self._check_size(problem)
        make_folder(self._output, "--output")
        for note in (*problem.notes, self._headline(problem)):
            _say(f"{item.name}: {note}")
        problem, outcome, notes = self._solved(problem)
        for note in self._unsaid(notes):
            _say(f"{item.name}: {note}")
        scores = outputs.scores(problem, outcome)
        make_folder(folder, "--output")
        outputs.write(folder, problem, outcome, scores, self._config, source)
        self._summary.add(
            {
                "name": item.name,
                "input": str(item.path or "sample"),
                "input_sha256": input_hash,
                "shape": list(problem.observed.shape),
                "noise_std": problem.noise_std,
                **outcome.record,
                "notes": [*problem.notes, *notes],
                **scores,
            }
        )
        return True

    def _solved(self, problem: Problem):
        """The problem as told at last, its outcome, and notes.

        Raises:
            InputError: the solver diverged.
        """
        steps = getattr(self._config.stopping, "max_steps", 1)
        with watch.steps(steps) as progress:
            if self._config.check:
                return restore_trusted(self._chosen, problem, progress)
            method, notes = self._chosen.method(problem)
            outcome = self._chosen.run(method, problem, progress)
        if int(outcome.result.status) == Status.DIVERGED:
            taken = outcome.record.get("steps")
            how = "" if taken is None else f" after {taken} steps"
            also = "" if taken is None else "raise --noise_std or "
            raise InputError(
                f"--input: {self._chosen.kind.name} diverged{how};"
                f" {also}{self._chosen.remedy}"
            )
        return problem, outcome, notes

    def _check_size(self, problem: Problem) -> None:
        """Say what a large image takes, and refuse what is too much.

        Raises:
            InputError: it takes too long, or too much memory.
        """
        steps = getattr(self._config.stopping, "max_steps", 1)
        shape = problem.operator.input_shape(problem.full.shape)
        method = self._chosen.method(problem)[0]
        found = forecast(method, shape, problem.noise_std, steps)
        if found:
            _say(f"{shape[1]}x{shape[0]} pixels to restore: {found}")
        check_limits(found, self._config.max_minutes, f"{shape[1]}x{shape[0]} pixels")

    def _unsaid(self, notes: list[str]) -> list[str]:
        """Those that no earlier image had."""
        always = ("mismatch: ", "told instead")
        new = [
            note
            for note in notes
            if note not in self._said or any(word in note for word in always)
        ]
        self._said.update(notes)
        return new

    def _headline(self, problem: Problem) -> str:
        config, shape = self._config, problem.observed.shape
        size = f"{shape[1]}x{shape[0]} {'grey' if shape[2] == 1 else 'colour'}"
        who = f"{size} with {config.solver.name}"
        if config.sampling:
            return f"drawing from {who}, {config.sampling.n_samples} samples"
        noise = f"{255 * problem.noise_std:.2f}/255"
        steps = config.stopping.max_steps
        return f"restoring {who}, noise {noise}, up to {steps} steps"

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
        files = ",".join(outputs.names(self._config))
        print(f"Files: {self._output}/{place}/{{{files}}}")
        print(f"Scores and settings: {self._summary.path}")


def _say(text: str) -> None:
    """A line on standard error that leaves a progress bar whole."""
    tqdm.write(text, file=sys.stderr)
