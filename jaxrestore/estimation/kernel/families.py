"""Kernels with one or two parameters, and the search for the most likely ones."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxrestore.operators import kernels

Score = Callable[[np.ndarray], float]  # kernel -> E, lower is better


@dataclass(frozen=True)
class Family:
    """Kernels from a formula.

    Attributes:
        name: as `KernelEstimate.family` has it.
        names: of the parameters; lengths are in pixels, angles in degrees.
        make: (size, *parameters) -> kernel.
        starts: size -> where the search looks first.
        steps: first changes of the search: lengths are multiplied by 1 + step, angles
            moved by it.
    """

    name: str
    names: tuple[str, ...]
    make: Callable[..., np.ndarray]
    starts: Callable[[int], list[tuple[float, ...]]]
    steps: tuple[float, ...]

    def moved(self, values: tuple[float, ...], which: int, step: float):
        """The parameters with one of them changed."""
        new = list(values)
        if self.names[which] == "angle":
            new[which] = (new[which] + step) % 180
        else:
            new[which] *= 1 + step if step > 0 else 1 / (1 - step)
        return tuple(new)


def _line(size: int, length: float, angle: float) -> np.ndarray:
    return kernels.line(size, length, math.radians(angle))


def _widths(size: int) -> list[tuple[float, ...]]:
    return [(std,) for std in (0.5, 0.8, 1.2, 1.8, 2.6, 3.8) if 5 * std <= size]


def _radii(size: int) -> list[tuple[float, ...]]:
    return [(radius,) for radius in (1.2, 1.5, 2.4, 3.8, 6.0, 9.0) if 2 * radius < size]


def _lines(size: int) -> list[tuple[float, ...]]:
    lengths = [length for length in (2.5, 5.0, 11.0) if length < size]
    return [(length, angle) for length in lengths for angle in np.arange(8) * 22.5]


FAMILIES = (
    Family("gaussian", ("std",), kernels.gaussian, _widths, (0.2,)),
    Family("defocus", ("radius",), kernels.defocus, _radii, (0.2,)),
    Family("motion", ("length", "angle"), _line, _lines, (0.3, 11.0)),
)


def search(
    family: Family, size: int, score: Score, halvings: int = 3
) -> tuple[tuple[float, ...], float]:
    """Minimise the score over a family's parameters.

    The best of its starts is moved along one parameter at a time, as long as that
    helps; then the steps are halved.

    Returns:
        Parameters and their score.
    """
    known: dict[tuple[float, ...], float] = {}

    def value(parameters):
        if parameters not in known:
            known[parameters] = score(family.make(size, *parameters))
        return known[parameters]

    best = min(family.starts(size), key=value)
    for halving in range(halvings):
        improved = True
        while improved:
            near = [
                family.moved(best, which, sign * step / 2**halving)
                for which, step in enumerate(family.steps)
                for sign in (-1, 1)
            ]
            found = min([best, *filter(_inside(size), near)], key=value)
            improved, best = found != best, found
    return best, value(best)


def _inside(size: int) -> Callable[[tuple[float, ...]], bool]:
    return lambda parameters: 0.3 <= parameters[0] < size
