"""Restoring with doubt: what does not explain the photograph is not handed out."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.outcome import Outcome
from jaxrestore.cli.task import Problem
from jaxrestore.errors import InputError
from jaxrestore.estimation.kernel.width import narrower_gain
from jaxrestore.evaluation.orientation import fits_better_turned
from jaxrestore.likelihoods.explanation import (
    EXCESS,
    GROWTH,
    explain,
    spectral_growth,
    stopband_excess,
)
from jaxrestore.solvers import Status

MISMATCH = "mismatch"
_ATTEMPTS = 3
_CONFIDENT = 0.5
# Evidence of a narrower kernel that speaks against the told one: of its own, and where
# the stop band does, too, or noise leaves little to tell them by.
_BETTER, _ALIKE, _NOISY = 0.0, -0.02, 3.5 / 255
_RAISE = 1.6  # of the told noise level, from one attempt to the next

_KERNEL = (
    "where the kernel lets nothing through the photograph has {0:.1f} times the noise's"
    " power: it is less blurred than the kernel says, or otherwise; try --kernel=auto,"
    " a smaller kernel or a higher --noise_std"
)
_WIDE = (
    "the scene would be {0:.0f} times as strong in its fine detail as any is: the"
    " kernel is too wide, or not the one; try --kernel=auto or a smaller kernel"
)
_NARROWER = (
    "a kernel of a third of its size explains the photograph better: the kernel is too"
    " wide, or not the one; try --kernel=auto or a smaller kernel"
)
_UNSURE = (
    "the kernel that was estimated is a guess (confidence {0:.0%}); give --kernel=FILE,"
    " or a larger part of the photograph"
)
_TURNED = (
    "the kernel explains the photograph better turned by half a turn: software differs"
    " in which way round it stores kernels; turn the file"
)
_RESULT = (
    "{0}, at a noise level of {1:.1f}/255, too; the kernel, the task or the prior is"
    " not right for this photograph; try --kernel=auto, a higher --noise_std or another"
    " --prior"
)


class Told(NamedTuple):
    """An image's end: the problem as told at last, the outcome, notes for the user."""

    problem: Problem
    outcome: Outcome
    notes: list[str]


# Yields a method and a problem to run it on, is sent the outcome, and returns `Told`.
Restoring = Generator[tuple[Any, Problem], Outcome, Told]


def trusted(chosen: Chosen, problem: Problem) -> Restoring:
    """Restore an image as far as the model explains it.

    Before the solver the kernel's stop band is looked at; after it, what A x leaves of
    y. Where that is stronger or less even than the noise, the level that is told is
    raised (Morozov's discrepancy principle, from below), twice at most. What is not
    explained then ends as "mismatch": the result is the starting image, and the
    solver's own is `Outcome.rejected`.
    """
    problem, notes, reason = _looked_at(problem)
    for attempt in range(_ATTEMPTS):
        method, own = chosen.method(problem)
        outcome = yield method, problem
        notes += [note for note in own if note not in notes]
        doubt = reason or _doubt(problem, outcome)
        if not doubt:
            return Told(problem, outcome, notes)
        if reason or attempt == _ATTEMPTS - 1:
            break
        problem = problem.told(_RAISE * problem.noise_std)
        notes.append(f"{doubt}: {255 * problem.noise_std:.1f}/255 is told instead")
    if not reason and int(outcome.result.status) == Status.DIVERGED:
        reason = f"{doubt}; {chosen.remedy}, or raise --noise_std"
    reason = reason or _RESULT.format(doubt, 255 * problem.noise_std)
    notes = [*notes, f"{MISMATCH}: {reason}"]
    return Told(problem, _refused(problem, outcome), notes)


def as_told(chosen: Chosen, problem: Problem, argument: str) -> Restoring:
    """Restore an image as told, without doubt.

    Args:
        argument: what the user calls the image, for the message.

    Raises:
        InputError: the solver diverged.
    """
    method, notes = chosen.method(problem)
    outcome = yield method, problem
    if int(outcome.result.status) == Status.DIVERGED:
        taken = outcome.record.get("steps")
        how = "" if taken is None else f" after {taken} steps"
        also = "" if taken is None else "raise noise_std or "
        raise InputError(
            f"{argument}: {chosen.kind.name} diverged{how}; {also}{chosen.remedy}"
        )
    return Told(problem, outcome, notes)


def _looked_at(problem: Problem) -> tuple[Problem, list[str], str]:
    """The problem, its noise level raised by a little if need be, or a refusal."""
    if problem.degradation.task != "blur":
        return problem, [], ""
    kernel: Any = problem.degradation.kernel
    if problem.degradation.confidence < _CONFIDENT:
        return problem, [], _UNSURE.format(problem.degradation.confidence)
    seen = problem.observed, kernel, problem.levels.most
    if (excess := stopband_excess(*seen)) > EXCESS**2:
        return problem, [], _KERNEL.format(excess)
    if (growth := spectral_growth(*seen)) > GROWTH:
        return problem, [], _WIDE.format(growth)
    doubtful = excess > EXCESS or problem.levels.most > _NOISY
    if narrower_gain(*seen) > (_ALIKE if doubtful else _BETTER):
        return problem, [], _NARROWER
    if fits_better_turned(*seen):
        return problem, [], _TURNED
    if excess <= EXCESS:
        return problem, [], ""
    problem = problem.told(float(np.sqrt(excess)) * problem.noise_std)
    level = f"{255 * problem.noise_std:.1f}/255"
    return problem, [f"the kernel's stop band is noisier: {level} is told instead"], ""


def _doubt(problem: Problem, outcome: Outcome) -> str:
    """What speaks against a result, "" if nothing does."""
    status = int(outcome.result.status)
    if status == Status.DRAWN:
        return ""
    if status == Status.DIVERGED:
        return "the solver diverged"
    y = jnp.asarray(problem.full)
    predicted = np.asarray(problem.operator(outcome.image))
    seen = np.asarray(problem.operator.clean(jnp.ones_like(y)))
    white = problem.jpeg is None
    return explain(predicted, problem.full, problem.noise_std, seen, white).reason


def _refused(problem: Problem, outcome: Outcome) -> Outcome:
    """The starting image in the place of the solver's."""
    start: Any = problem.observation.initial_image()
    record = {**outcome.record, "status": MISMATCH}
    return replace(outcome, image=start, rejected=outcome.image, record=record)
