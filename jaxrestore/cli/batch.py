"""Restoring images one after the other: skip, restore, write, record, report."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tqdm import tqdm

from jaxrestore.cli import outputs, watch
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.forecast import check_limits, forecast
from jaxrestore.cli.items import Item
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.cli.task import Problem, Task
from jaxrestore.cli.trust import restore_trusted
from jaxrestore.data.files import exclusive, make_folder
from jaxrestore.errors import InputError
from jaxrestore.priors import Tiled
from jaxrestore.report import summary as records
from jaxrestore.report.table import score_table
from jaxrestore.settings import as_dict
from jaxrestore.solvers import Status


class Batch:
    """A run of solve over its images.

    Args:
        config: the settings.
        output: folder for the results.
        simulate: the images are clean and are degraded first.
        overwrite: restore again what is already done.
        figures: write comparisons and curves, too.
        shard: "0-of-4", which part of the images this is; "" all.
        programs: most sizes that solvers are compiled for; 0: any.
        everything: the images of all shards, whose sizes are to share programs.

    Raises:
        InputError: a setting does not fit the prior, or the output folder holds other
            things.
    """

    def __init__(
        self,
        config: SolveConfig,
        output: Path,
        simulate: bool,
        overwrite: bool = False,
        figures: bool = True,
        shard: str = "",
        programs: int = 0,
        everything: Sequence[Item] = (),
    ):
        self._config, self._output, self._overwrite = config, output, overwrite
        self._figures, self._shard = figures, shard
        self._held = ExitStack()
        self._writing, self._count = False, 0
        self._failures: dict[str, str] = {}
        self._chosen = Chosen(config)
        self._task = Task(config, simulate, self._chosen.prior)
        shares = programs and self._chosen.shares_canvases
        self._canvases = self._planned(programs, everything) if shares else []
        header = {
            "config": as_dict(config),
            "simulated": simulate,
            **self._chosen.weights,
            "versions": records.versions(),
            "device": records.device(),
            "notes": self._task.notes,
        }
        # Neither of these moves a result by more than rounding.
        free = "max_minutes", "tile", "mesh"
        config_ = {k: v for k, v in header["config"].items() if k not in free}
        decisive = [config_, header["simulated"], header["versions"]]
        decisive += [self._chosen.weights, records.array_hash(*self._task.contents())]
        # Not the canvases: what is done stays done when the folder's sizes change.
        decisive += [{"programs": programs}] if shares else []
        self._resumed = output / "summary.json", header, decisive, shard
        self._summary = records.Summary.resume(*self._resumed)
        self._said: set[str] = set()

    def _planned(self, programs: int, images: Sequence[Item]) -> list[tuple[int, int]]:
        """The canvases, where that many sizes need fewer programs."""
        shapes = [shape for item in images if (shape := item.shape())]
        return self._task.canvases(shapes, programs, self._chosen.stride)

    def run(self, images: Sequence[Item]) -> dict[str, str]:
        """Restores the images that are not done yet.

        Returns:
            name -> reason, for those that could not be restored.
        """
        self._count = len(images)
        for note in self._task.notes:
            _say(note)
        try:
            skipped = self._all(images)
            # A shard says that it ran, others sum up what shards did.
            if self._shard or self._summary.journals():
                self._hold()
        finally:
            self._done()
        self._report([item.name for item in images], skipped)
        return self._failures

    def _all(self, images: Sequence[Item]) -> list[str]:
        """Restores; names of those that were done before."""
        skipped = []
        single = len(images) == 1 and not self._shard  # its error ends the command
        bar = tqdm(images, unit="image", disable=True if single else None)
        for item in bar:
            bar.set_description(item.name)
            try:
                if not self._restore(item):
                    skipped.append(item.name)
            except InputError as error:
                self._failures[item.name] = str(error)
                if self._output.is_dir():
                    self._hold()
                    self._summary.fail(item.name, str(error))
                if not single:
                    _say(f"error: {error}")
        return skipped

    def _hold(self) -> None:
        """Makes the folder this run's own, and sees what others did there meanwhile.

        Raises:
            InputError: another run writes there.
        """
        if self._writing:
            return
        self._held.enter_context(exclusive(self._output, "--output", self._shard))
        self._summary = records.Summary.resume(*self._resumed)
        self._summary.begin(self._count)
        self._writing = True
        for name, reason in self._failures.items():
            self._summary.fail(name, reason)

    def _done(self) -> None:
        """Sums up and lets go."""
        with self._held:
            if self._writing:
                self._summary.finish()

    def _restore(self, item: Item) -> bool:
        """Restores an image; False if it was done already."""
        folder, input_hash = self._output / item.name, item.sha256()
        files = [folder / name for name in outputs.names(self._config, self._figures)]
        done = self._summary.is_done(item.name, input_hash, files)
        if done and not self._overwrite:
            return False
        source = item.load()
        problem = self._task.problem(item.name, source)
        problem = self._chosen.placed(problem, self._canvases)
        self._check_size(problem)
        self._hold()
        for note in (*problem.notes, self._headline(problem)):
            _say(f"{item.name}: {note}")
        problem, outcome, notes = self._solved(problem)
        for note in self._unsaid(notes):
            _say(f"{item.name}: {note}")
        scores = outputs.scores(problem, outcome)
        make_folder(folder, "--output")
        files = problem, outcome, scores, self._config, source, self._figures
        outputs.write(folder, *files)
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
        shape, chosen = problem.image_shape, self._chosen
        method = chosen.method(problem)[0]
        memory = partial(chosen.memory, method, problem)
        found = forecast(method, shape, problem.noise_std, steps, memory)
        if found:
            prior = getattr(method, "prior", None)
            how = f" in tiles of {prior.tile}" if isinstance(prior, Tiled) else ""
            _say(f"{shape[1]}x{shape[0]} pixels to restore{how}: {found}")
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
        files = ",".join(outputs.names(self._config, self._figures))
        print(f"Files: {self._output}/{place}/{{{files}}}")
        done = self._summary.journal if self._shard else self._summary.path
        print(f"Scores and settings: {done}")


def _say(text: str) -> None:
    """A line on standard error that leaves a progress bar whole."""
    tqdm.write(text, file=sys.stderr)
