"""What a large image will take: seconds and memory, measured on a small piece."""

import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import psutil

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Identity
from jaxrestore.solvers import Method
from jaxrestore.solvers.method import Problem

_SIDE = 256
_LARGE = 1.5e6  # pixels from which a forecast is worth its own seconds
_GIB = 2**30


@dataclass(frozen=True)
class Forecast:
    """What a run will take at most.

    Attributes:
        seconds: of all steps, if none is saved by stopping early.
        memory: in bytes, beside what the weights take.
    """

    seconds: float
    memory: float

    def __str__(self) -> str:
        minutes = self.seconds / 60
        span = f"{minutes / 60:.1f} h" if minutes > 90 else f"{minutes:.0f} min"
        return f"at most {span}, about {self.memory / _GIB:.1f} GiB"


def forecast(
    method: Any, shape: tuple[int, ...], noise_std: float, max_steps: int
) -> Forecast | None:
    """Time one step on a piece of 256x256; None where that says nothing.

    Args:
        method: the solver.
        shape: (H, W, C) of its image.
        noise_std: that it is told.
        max_steps: of the run.
    """
    pixels = shape[0] * shape[1]
    if not isinstance(method, Method) or pixels < _LARGE:
        return None
    y = jnp.full((_SIDE, _SIDE, shape[2]), 0.5)
    observation = Observation.create(y, Identity(), noise_std)
    problem = jax.device_put((observation, y, jax.random.key(0)))
    inner = getattr(method, "method", method)  # of a wrapper

    def step(method, observation, start, key):
        method = method.cast(start.dtype)
        problem = Problem(observation, start, 1, key)
        return method.image(method.step(problem, method.init(problem)))

    program = jax.jit(step).lower(inner, *problem).compile()
    seconds = min(_seconds(program, inner, *problem) for _ in range(2)) / 2
    analysis = program.memory_analysis()
    small = _SIDE**2
    times = pixels / small
    return Forecast(
        seconds * times * (max_steps + 1) * getattr(method, "runs", 1),
        (analysis.temp_size_in_bytes if analysis else 0) * times,
    )


def check_limits(found: Forecast | None, max_minutes: float, size: str) -> None:
    """Refuse what would take too long or too much memory.

    Args:
        found: of the run.
        max_minutes: 0: any time.
        size: of the image, in words.

    Raises:
        InputError: it would.
    """
    if found is None:
        return
    free = _free_memory()
    if found.memory > free:
        raise InputError(
            f"--input: {size} needs about {found.memory / _GIB:.1f} GiB,"
            f" {free / _GIB:.1f} GiB are free; cut it into parts, reduce it, or take a"
            " smaller --factor"
        )
    if max_minutes and found.seconds > 60 * max_minutes:
        raise InputError(
            f"--input: {size} takes up to {found.seconds / 60:.0f} minutes here, more"
            f" than --max_minutes={max_minutes:g}; raise that (0: any time), or lower"
            " --stopping.max_steps, the image's size or --factor"
        )


def _seconds(program: Any, *arguments: Any) -> float:
    begin = time.monotonic()
    jax.block_until_ready(program(*arguments))
    return time.monotonic() - begin


def _free_memory() -> float:
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return psutil.virtual_memory().available
