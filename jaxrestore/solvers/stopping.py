"""When a solver stops, and what is said of how it ended."""

import enum
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from jaxrestore.pytrees import pytree
from jaxrestore.settings import choice, count, number, setting, settings_of, static


class Status(enum.IntEnum):
    """How a run ended.

    CONVERGED: the image changes by no more than the tolerance. PLATEAU: the value
    that is followed stopped improving. STALLED: no step lowers the objective any more
    in this precision; near a minimum in value, perhaps not in every pixel. MAX_STEPS:
    none of these yet. DIVERGED: something was not finite, or grew and grew.
    DRAWN: the samples were drawn, of solvers that draw.
    """

    RUNNING = 0
    CONVERGED = 1
    MAX_STEPS = 2
    PLATEAU = 3
    DIVERGED = 4
    STALLED = 5
    DRAWN = 6


def status_name(code: Any) -> str:
    """Return the lower-case name of a status code, such as "converged"."""
    return Status(int(code)).name.lower()


@pytree
@dataclass(frozen=True, eq=False)
class Stopping:
    """When to stop. All but `watch` are traced leaves: changing one compiles nothing.

    With r = ||x_k - x_{k-1}|| / ||x_{k-1}|| the run is CONVERGED at r <= tolerance.

    With `patience` it ends as PLATEAU after patience + 1 steps in a row that do not
    improve the best value v seen so far by the relative `improvement`, that is, for
    which not value < (1 - sign(v) * improvement) * v. This is the rule of the
    published PnP-HVAE experiments, which follow the mean squared change
    mean((x_k - x_{k-1})^2).

    It ends as DIVERGED after `growth` steps in a row each of which is worse than all
    before it: in the size of its change or, for methods that descend, in the objective.

    Attributes:
        tolerance: relative residual, >= 0; 0 never stops before an exact fixed point.
        patience: steps without improvement that are forgiven, >= 0, or None: no such
            rule.
        improvement: relative improvement that counts, in [0, 1).
        growth: steps of growth in a row that mean divergence, >= 1.
        watch: what `patience` follows, "change" or "objective".
    """

    tolerance: Any = setting(
        1e-4, number(0, 1e6), "relative change at which an image is done"
    )
    patience: Any = setting(
        None, count(0, none=True), "steps without improvement forgiven; none: no rule"
    )
    improvement: Any = setting(1e-3, number(0, 0.999), "relative, that counts")
    growth: Any = setting(10, count(), "steps of growth in a row that mean divergence")
    watch: str = static("change", choice("change", "objective"), "what patience sees")

    def validate(self) -> "Stopping":
        """The same with checked values; arrays of JAX are not looked at.

        Raises:
            InputError: a value out of its range.
        """
        return replace(self, **checked(self))


def checked(settings: Any) -> dict[str, Any]:
    """The checked values of a dataclass of settings: numbers in single precision.

    Arrays of JAX pass unseen, since reading them would wait for the device.

    Raises:
        InputError: a value out of its range.
    """
    found = {}
    for f in settings_of(settings):
        value = getattr(settings, f.name)
        if isinstance(value, jax.Array):
            continue
        value = f.metadata["check"](value, f.name)
        found[f.name] = value if f.metadata.get("static") else _single(value)
    return found


def _single(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    array = np.asarray(value)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
