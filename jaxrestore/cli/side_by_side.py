"""Images that share a program are solved side by side, as many as memory holds."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn

import jax

from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.outcome import Outcome
from jaxrestore.cli.room import forget_programs, is_processor, too_large, tried
from jaxrestore.cli.solve_config import AUTO, SolveConfig
from jaxrestore.cli.task import Problem
from jaxrestore.cli.tiling import free_memory
from jaxrestore.cli.trust import Told, as_told, trusted
from jaxrestore.errors import InputError
from jaxrestore.solvers import Method
from jaxrestore.solvers.many import Asked, memory_of_many
from jaxrestore.solvers.restore import Progress

_MOST = 64  # on a device: more gain little, and a run that is killed loses its batch
_SHARE = 0.8  # of the free memory

Question = tuple[Any, Problem]  # a method and what it is asked
Say = Callable[[str], Any]


class SideBySide:
    """Restores problems by the chosen solver, those that share a program side by side.

    What is told and doubted stays each image's own: an image that is to be tried again
    goes into another batch, with those that are, too. A batch that a device refuses is
    halved, and so are those of its kind from then on; an image that is refused alone
    ends as an error.

    Args:
        chosen: the solver.
        config: the settings; `batch` and `check` count here.
        argument: what the user calls the images, for messages.
        savings: settings of the caller's own that take less memory for an image.

    Raises:
        InputError: several at once are asked for, of a solver that cannot.
    """

    def __init__(
        self,
        chosen: Chosen,
        config: SolveConfig,
        argument: str,
        savings: Callable[[Problem], list[str]] = lambda problem: [],
    ):
        self._chosen, self._check, self._argument = chosen, config.check, argument
        self._savings = savings
        self._batch, devices = config.batch, jax.local_devices()
        most = at_once(chosen.kind, config, len(devices), is_processor(devices[0]))
        self._devices = devices[:most]
        self._most = most // len(self._devices)
        self._fitting: dict[Any, int] = {}
        self._halved: dict[Any, int] = {}  # of a kind, images on each device

    @property
    def alone(self) -> bool:
        """Whether it is always one image at a time."""
        return self._most * len(self._devices) == 1

    def room(self, problem: Problem, number: int) -> int:
        """How many like a problem are solved at once where so many are to be.

        Raises:
            InputError: the problem does not fit the solver.
        """
        if self.alone or number == 1:
            return 1
        method, _ = self._chosen.method(problem)
        return self._size(
            (method, problem), self._chosen.asked(method, problem), number
        )

    def __call__(
        self,
        problems: Sequence[Problem],
        progress: Progress | None = None,
        kept: Callable[[Told], Any] = lambda told: told,
        tell: Say = warnings.warn,
    ) -> list[Any]:
        """The end of each restoration: what came of it, or why nothing did.

        Args:
            problems: any; those of a kind are solved side by side.
            progress: of those that are solved alone.
            kept: what is to be kept of an image's end, at once.
            tell: says that a device refused a batch.

        Returns:
            `kept` of each, or an `InputError`.
        """
        runs = [self._restoring(problem) for problem in problems]
        ends: list[Any] = [None] * len(runs)
        asked: dict[int, Question] = {}

        def go_on(place: int, step: Callable[[Any], Question]) -> None:
            refused = partial(self.refuse, problems[place])
            try:
                asked[place] = tried(lambda: step(runs[place]), refused)
            except StopIteration as end:
                ends[place] = kept(end.value)
            except InputError as error:
                ends[place] = error

        for place in range(len(runs)):
            go_on(place, next)
        while asked:
            now, asked = asked, {}
            for place, found in self._answers(now, progress, tell):
                if isinstance(found, InputError):
                    go_on(place, lambda run, error=found: run.throw(error))
                else:
                    go_on(place, lambda run, outcome=found: run.send(outcome))
        return ends

    def _restoring(self, problem: Problem):
        if self._check:
            return trusted(self._chosen, problem)
        return as_told(self._chosen, problem, self._argument)

    def _answers(
        self, questions: dict[int, Question], progress: Progress | None, tell: Say
    ) -> Iterator[tuple[int, Outcome | InputError]]:
        """What comes of each question, by its place."""
        if self.alone or len(questions) == 1:
            for place, question in questions.items():
                yield place, self._run(question, progress)
            return
        given = {place: self._chosen.asked(*q) for place, q in questions.items()}
        kinds: dict[Any, list[int]] = {}
        for place, asked in given.items():
            kinds.setdefault(asked.kind(), []).append(place)
        for left in kinds.values():
            while left:
                first = left[0]
                size = self._size(questions[first], given[first], len(left))
                if (batch := left[:size]) == [first]:
                    found = [self._run(questions[first], progress)]
                else:
                    pairs = [questions[place] for place in batch]
                    several = [given[place] for place in batch]
                    found = self._run_many(pairs, several, size, tell)
                if found is not None:
                    yield from zip(batch, found, strict=True)
                    left = left[size:]

    def _run(self, question: Question, progress: Progress | None):
        run = partial(self._chosen.run, *question, progress)
        forget_programs()
        try:
            return tried(run, partial(self.refuse, question[1]))
        except InputError as error:
            return error

    def _run_many(
        self, questions: list[Question], asked: list[Asked], size: int, tell: Say
    ) -> list[Outcome] | None:
        """What comes of a batch; None where it is refused, and is to be halved."""

        def halve() -> None:
            each = size // len(self._devices) // 2
            self._halved[asked[0].kind()] = each
            height, width, _ = questions[0][1].image_shape
            fewer = len(self._devices) * each or 1
            tell(
                f"{size} images of {width}x{height} pixels at once are more than there"
                f" is memory for: {fewer} at once from here on; --batch={fewer} begins"
                " there"
            )

        how = size, self._devices
        forget_programs()
        return tried(lambda: self._chosen.run_many(questions, asked, *how), halve)

    def refuse(self, problem: Problem) -> NoReturn:
        """Says of an image that a device has no memory for it, and what to do.

        Raises:
            InputError: this.
        """
        found = [*self._chosen.savings(problem), *self._savings(problem)]
        too_large(self._argument, problem.image_shape, self._chosen.kind.name, found)

    def _size(self, question: Question, asked: Asked, number: int) -> int:
        """Of a batch, where so many of a kind wait: a power of 2 on each device.

        So that few programs serve any number of images. 1 where devices refuse one
        each.
        """
        devices, kind = len(self._devices), asked.kind()
        each = 1 << (-(-number // devices) - 1).bit_length()
        each = min(each, self._most, self._halved.get(kind, self._most))
        if not each:
            return 1
        key = kind, each
        if key not in self._fitting:
            self._fitting[key] = self._fitted(question, asked, each)
        return devices * self._fitting[key]

    def _fitted(self, question: Question, asked: Asked, each: int) -> int:
        """How many of a kind fit a device, not more than `each`."""
        sharers = len(self._devices) if is_processor(self._devices[0]) else 1
        budget = _SHARE * free_memory() / sharers
        if self._batch == AUTO:  # saves compiling what is much too large
            one = tried(
                lambda: self._chosen.memory(*question).memory - asked.held,
                lambda: math.inf,
            )
            each = min(each, max(1, int((budget - asked.held) // max(one, 1))))

        def needs(number: int) -> float:
            several = asked, number * len(self._devices), self._devices
            return tried(lambda: memory_of_many(*several), lambda: 2 * max(budget, 1))

        return fitting(needs, each, budget)


def fitting(needs: Callable[[int], float], most: int, budget: float) -> int:
    """The largest number, up to `most`, whose program is found to fit; at least 1.

    Args:
        needs: bytes that so many take.
        most: where to begin.
        budget: bytes that there are.
    """
    while most > 1 and (taken := needs(most)) > budget:
        most = max(1, min(most - 1, int(most * budget / taken)))
    return most


def at_once(kind: type, config: SolveConfig, devices: int, processor: bool) -> int:
    """How many images are solved at once at most.

    Args:
        kind: class of the solver.
        config: the settings.
        devices: that share them.
        processor: these are processors, which gain nothing by it (docs/restoring.md).

    Raises:
        InputError: several are asked for, of a solver that cannot.
    """
    reason = _alone(kind, config)
    if config.batch == AUTO:
        return 1 if reason or processor else _MOST * devices
    if reason and config.batch != 1:
        raise InputError(
            f"--batch={config.batch}: has no use with {reason}; leave it out"
        )
    return config.batch


def _alone(kind: type, config: SolveConfig) -> str:
    """Why images cannot be solved side by side, "" if they can."""
    if not issubclass(kind, Method):
        return f"{kind.name}, which draws"  # type: ignore[attr-defined]
    return "--mesh=rows" if config.mesh != "none" else ""
