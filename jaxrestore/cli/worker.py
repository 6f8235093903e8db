"""One image from its file to its folder of results, and the record of that."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jaxrestore.cli import outputs, watch
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.forecast import check_limits, forecast
from jaxrestore.cli.items import Item
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.cli.streaming import Streaming
from jaxrestore.cli.task import Problem, Task
from jaxrestore.cli.trust import restore_told, restore_trusted
from jaxrestore.data.files import make_folder
from jaxrestore.data.images import LoadedImage
from jaxrestore.errors import InputError
from jaxrestore.priors import Tiled
from jaxrestore.report.summary import versions


class Worker:
    """Restores images into a folder, one at each call; loads its models once.

    Args:
        config: the settings.
        output: folder for the results.
        simulate: the images are clean and are degraded first.
        figures: write comparisons and curves, too.
        canvases: (h, w) that images share, sorted.

    Attributes:
        chosen, task: the solver and what the images went through.
        canvases: see there.

    Raises:
        InputError: a setting does not fit the prior.
    """

    def __init__(
        self,
        config: SolveConfig,
        output: Path,
        simulate: bool,
        figures: bool = True,
        canvases: Sequence[tuple[int, int]] = (),
    ):
        self._config, self._output, self._figures = config, output, figures
        self.canvases = canvases
        self.chosen = Chosen(config)
        self.task = Task(config, simulate, self.chosen.prior)
        self._streaming = Streaming(config, self.chosen, output, simulate, figures)
        self._said = Said()

    @property
    def program(self) -> dict[str, Any]:
        """Hashes of the weights and versions of what computes with them."""
        return {**self.chosen.weights, "versions": versions()}

    def __call__(
        self, item: Item, begin: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Restores an image.

        Args:
            item: which.
            begin: called once the image is known to be of use, before it is solved.

        Returns:
            Its record, or its name and "error": one line that says why there is none.
        """
        try:
            digest = item.sha256()
            if self._streaming.takes(item):
                tell = lambda note: say(f"{item.name}: {note}")  # noqa: E731
                return self._named(item, digest, self._streaming(item, tell, begin))
            source = item.load()
            problem = self.task.problem(item.name, source)
            problem = self.chosen.placed(problem, self.canvases)
            self._check_size(problem)
            begin()
            record = self._restored(item.name, source, problem)
        except InputError as error:
            return {"name": item.name, "error": str(error)}
        return self._named(item, digest, record)

    def _named(self, item: Item, digest: str, record: dict[str, Any]) -> dict[str, Any]:
        source = {"input": str(item.path or "sample"), "input_sha256": digest}
        return {"name": item.name, **source, **record}

    def files(self, item: Item, record: Mapping[str, Any]) -> list[Path]:
        """What was written for an image, whose record is given."""
        names = record.get("files") or outputs.names(self._config, self._figures)
        return [self._output / item.name / name for name in names]

    def _restored(
        self, name: str, source: LoadedImage, problem: Problem
    ) -> dict[str, Any]:
        for note in (*problem.notes, self._headline(problem)):
            say(f"{name}: {note}")
        problem, outcome, notes = self._solved(problem)
        self._said(name, notes)
        scores, folder = outputs.scores(problem, outcome), self._output / name
        make_folder(folder, "--output")
        files = problem, outcome, scores, self._config, source, self._figures
        outputs.write(folder, *files)
        return {
            "shape": list(problem.observed.shape),
            "noise_std": problem.noise_std,
            **outcome.record,
            "notes": [*problem.notes, *notes],
            **scores,
        }

    def _solved(self, problem: Problem):
        """The problem as told at last, its outcome, and notes.

        Raises:
            InputError: the solver diverged.
        """
        steps = getattr(self._config.stopping, "max_steps", 1)
        with watch.steps(steps) as progress:
            if self._config.check:
                return restore_trusted(self.chosen, problem, progress)
            return restore_told(self.chosen, problem, "--input", progress)

    def _check_size(self, problem: Problem) -> None:
        """Say what a large image takes, and refuse what is too much.

        Raises:
            InputError: it takes too long, or too much memory.
        """
        steps = getattr(self._config.stopping, "max_steps", 1)
        shape, chosen = problem.image_shape, self.chosen
        method = chosen.method(problem)[0]
        memory = partial(chosen.memory, method, problem)
        found = forecast(method, shape, problem.noise_std, steps, memory)
        if found:
            prior = getattr(method, "prior", None)
            how = f" in tiles of {prior.tile}" if isinstance(prior, Tiled) else ""
            say(f"{shape[1]}x{shape[0]} pixels to restore{how}: {found}")
        check_limits(found, self._config.max_minutes, f"{shape[1]}x{shape[0]} pixels")

    def _headline(self, problem: Problem) -> str:
        config, shape = self._config, problem.observed.shape
        size = f"{shape[1]}x{shape[0]} {'grey' if shape[2] == 1 else 'colour'}"
        who = f"{size} with {config.solver.name}"
        if config.sampling:
            return f"drawing from {who}, {config.sampling.n_samples} samples"
        noise = f"{255 * problem.noise_std:.2f}/255"
        steps = config.stopping.max_steps
        return f"restoring {who}, noise {noise}, up to {steps} steps"


class Said:
    """Tells notes on images: of one that holds for many, the first time alone."""

    def __init__(self):
        self._before: set[str] = set()

    def __call__(self, name: str, notes: Iterable[str]) -> None:
        always = ("mismatch: ", "told instead")
        for note in notes:
            if note not in self._before or any(word in note for word in always):
                say(f"{name}: {note}")
        self._before.update(notes)


def say(text: str) -> None:
    """A line on standard error that leaves a progress bar whole."""
    tqdm.write(text, file=sys.stderr)
