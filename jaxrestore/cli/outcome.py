"""What comes of restoring an image, and the record that is kept of it."""

import dataclasses
from typing import Any

import numpy as np

from jaxrestore.cli.posterior import Drawn
from jaxrestore.cli.task import Problem
from jaxrestore.priors import Tiled
from jaxrestore.solvers import (
    Anderson,
    Draws,
    Restoration,
    Select,
    SelectRate,
    status_name,
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A solver's result with what it took.

    Attributes:
        result: of `restore` or `sample`.
        image: what is shown and scored, of the solver's size.
        record: settings as used, steps, passes, seconds, status; JSON-like.
        rejected: what the solver made, where `image` is not that; else None.
        drawn: of the posterior that the solver fitted or drew from, None of others.
    """

    result: Restoration | Draws
    image: Any
    record: dict[str, Any]
    rejected: Any = None
    drawn: Drawn | None = None


def recorded(
    method: Any, result: Restoration | Draws, problem: Problem
) -> dict[str, Any]:
    """Settings as they were used, how the run ended and what it took; JSON-like."""
    used = getattr(method, "method", method)
    if isinstance(method, Select):
        used = method.attempt(int(result.selected))  # type: ignore[union-attr]
    record = {"settings": used.settings(), **_described(result)}
    if isinstance(method, Anderson):
        record["acceleration"] = method.settings()
    if isinstance(method, SelectRate):
        record["rate"] = float(method.rate(result))  # type: ignore[arg-type]
    if isinstance(prior := getattr(used, "prior", None), Tiled):
        record["tile"] = prior.tile
    if problem.canvas:
        record["canvas"] = list(problem.canvas)
    return record


def _described(result: Restoration | Draws) -> dict[str, Any]:
    """What the result says of its run, as summary.json holds it."""
    found: dict[str, Any] = {"status": status_name(result.status)}
    passes = int(result.evaluations)
    found |= {"evaluations": passes}
    if isinstance(result, Restoration):
        gradients = int(result.gradients)
        found |= {"gradients": gradients, "steps": int(result.steps)}
        found |= {"residual": float(result.residual)}
        passes += gradients
        if result.temperature is not None:
            found["temperature"] = np.asarray(result.temperature).tolist()
    return found | {"passes": passes}
