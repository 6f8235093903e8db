"""Images from their files to their folders of results, and the records of that."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from jaxrestore.cli import outputs, watch
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.forecast import check_limits, forecast
from jaxrestore.cli.items import Item
from jaxrestore.cli.room import too_large, tried
from jaxrestore.cli.side_by_side import SideBySide
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.cli.streaming import Streaming
from jaxrestore.cli.task import Problem, Task
from jaxrestore.cli.trust import Told
from jaxrestore.data.files import make_folder
from jaxrestore.data.images import LoadedImage
from jaxrestore.errors import InputError
from jaxrestore.operators.canvases import smallest
from jaxrestore.priors import Tiled
from jaxrestore.report.summary import versions


class Worker:
    """Restores images into a folder; loads its models once.

    Args:
        config: the settings.
        output: folder for the results.
        simulate: the images are clean and are degraded first.
        figures: write comparisons and curves, too.
        canvases: (h, w) that images share, sorted.
        tell: what says notes.

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
        tell: "Tell | None" = None,
    ):
        self._config, self._output, self._figures = config, output, figures
        self.canvases = canvases
        self.chosen = Chosen(config)
        self.task = Task(config, simulate, self.chosen.prior)
        self._streaming = Streaming(config, self.chosen, output, simulate, figures)
        savings = self._streaming.savings
        self._restore = SideBySide(self.chosen, config, "--input", savings)
        self._tell = tell or Teller()

    @property
    def program(self) -> dict[str, Any]:
        """Hashes of the weights and versions of what computes with them."""
        return {**self.chosen.weights, "versions": versions()}

    def __call__(
        self, items: Iterable[Item], begin: Callable[[], None] = lambda: None
    ) -> Iterator[dict[str, Any]]:
        """Restores images; those that share a program side by side, as `batch` says.

        Args:
            items: which; taken one by one where none shares with others.
            begin: called whenever an image is known to be of use, before it is solved.

        Returns:
            Of each its record, or its name and "error": one line that says why there
            is none.
        """
        single = ([item] for item in items)
        for alike in single if self._restore.alone else self.alike(items):
            opened: list[_Opened] = []
            for left, item in zip(range(len(alike), 0, -1), alike, strict=True):
                try:
                    digest = item.sha256()
                    if self._streaming.takes(item):
                        yield self._streamed(item, digest, begin)
                        continue
                    one = self._opened(item, digest)
                    room = self._restore.room(one.problem, len(opened) + left)
                except InputError as error:
                    yield {"name": item.name, "error": str(error)}
                    continue
                begin()
                opened.append(one)
                if len(opened) >= room:
                    yield from self._restored(opened)
                    opened = []
            if opened:
                yield from self._restored(opened)

    def alike(self, items: Iterable[Item]) -> Iterable[list[Item]]:
        """Images of a canvas or a size together, by their files' headers."""
        found: dict[Any, list[Item]] = {}
        for item in items:
            found.setdefault(self._place(item.shape()), []).append(item)
        return found.values()

    def _place(self, shape: tuple[int, ...] | None) -> Any:
        if shape and self.canvases:
            with suppress(InputError):  # for when its turn comes
                size = self.task.measured(shape)
                return smallest(size, self.canvases) if size else shape
        return shape

    def files(self, item: Item, record: Mapping[str, Any]) -> list[Path]:
        """What was written for an image, whose record is given."""
        streamed = record.get("streamed", False)
        names = outputs.names(self._config, self._figures, streamed)
        return [self._output / item.name / name for name in names]

    def _streamed(
        self, item: Item, digest: str, begin: Callable[[], None]
    ) -> dict[str, Any]:
        """The record of an image that goes from disk to disk.

        Raises:
            InputError: as `_opened`.
        """

        def tell(note: str) -> None:
            self._tell(item.name, note, True)

        return _named(item, digest) | self._streaming(item, tell, begin)

    def _opened(self, item: Item, digest: str) -> "_Opened":
        """An image with what is asked of it.

        Raises:
            InputError: it cannot be read or used, or takes too much.
        """
        source, task, chosen = item.load(), self.task, self.chosen
        problem = tried(
            lambda: chosen.placed(task.problem(item.name, source), self.canvases),
            lambda: too_large("--input", source.pixels.shape, chosen.kind.name),
        )
        refused = partial(self._restore.refuse, problem)
        tried(lambda: self._check_size(item.name, problem), refused)
        return _Opened(item, digest, source, problem)

    def _restored(self, opened: "Sequence[_Opened]") -> Iterator[dict[str, Any]]:
        """Solves what was opened, and writes it."""
        for one in opened:
            for note in (*one.problem.notes, self._headline(one.problem)):
                self._tell(one.item.name, note, True)
        steps = getattr(self._config.stopping, "max_steps", 1)
        several = f"{len(opened)} images at once" if len(opened) > 1 else ""
        with watch.steps(steps, several or "compiling") as progress:
            problems = [one.problem for one in opened]
            tell = lambda note: self._tell(opened[0].item.name, note, True)  # noqa: E731
            ends = self._restore(problems, progress, tell=tell)
        for one, end in zip(opened, ends, strict=True):
            try:
                if isinstance(end, InputError):
                    raise end
                refused = partial(self._restore.refuse, one.problem)
                yield tried(partial(self._written, one, end), refused)
            except InputError as error:
                yield {"name": one.item.name, "error": str(error)}

    def _written(self, one: "_Opened", told: Told) -> dict[str, Any]:
        """Writes a result; its record."""
        item, (problem, outcome, notes) = one.item, told
        for note in notes:
            own = any(word in note for word in ("mismatch: ", "told instead"))
            self._tell(item.name, note, own)
        scores, folder = outputs.scores(problem, outcome), self._output / item.name
        make_folder(folder, "--output")
        files = problem, outcome, scores, self._config, one.source, self._figures
        outputs.write(folder, *files)
        return {
            **_named(item, one.digest),
            "shape": list(problem.observed.shape),
            "noise_std": problem.noise_std,
            **outcome.record,
            "notes": [*problem.notes, *notes],
            **scores,
        }

    def _check_size(self, name: str, problem: Problem) -> None:
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
            size = f"{shape[1]}x{shape[0]} pixels to restore{how}: {found}"
            self._tell(name, size, True)
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


def _named(item: Item, digest: str) -> dict[str, Any]:
    """What a record begins with."""
    path = str(item.path or "sample")
    return {"name": item.name, "input": path, "input_sha256": digest}


class _Opened(NamedTuple):
    """An image that was read, with what is asked of it."""

    item: Item
    digest: str
    source: LoadedImage
    problem: Problem


Tell = Callable[[str, str, bool], None]  # name, note, whether of this image alone


class Teller:
    """Says notes on images; one that holds for many the first time alone."""

    def __init__(self):
        self._before: set[str] = set()

    def __call__(self, name: str, note: str, own: bool) -> None:
        if own or note not in self._before:
            say(f"{name}: {note}")
        if not own:
            self._before.add(note)


def say(text: str) -> None:
    """A line on standard error that leaves a progress bar whole."""
    tqdm.write(text, file=sys.stderr)
