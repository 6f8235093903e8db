"""What a large image will take: seconds, measured on a small piece, and memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jaxrestore.cli.room import is_processor
from jaxrestore.cli.tiling import LARGE, free_memory
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Identity
from jaxrestore.priors import Tiled
from jaxrestore.solvers import Method
from jaxrestore.solvers.method import Problem

_SIDE = 256
_GIB = 2**30


@dataclass(frozen=True)
class Needs:
    """What a run takes beside the time of its steps.

    Attributes:
        memory: in bytes, of the compiled program, where `free_memory` looks.
        sharers: how many accelerators share the work.
        draws: passes through the decoder after the last step.
        tile: side of tiles that would take less memory, 0: none would.
    """

    memory: float
    sharers: int = 1
    draws: int = 0
    tile: int = 0

    def shared(self, mesh: Mesh) -> Self:
        """Those of a run by a mesh, from the memory on one of its devices.

        Devices that are simulated on a processor share its memory and its cores.
        """
        if is_processor(mesh.devices.flat[0]):
            return replace(self, memory=self.memory * mesh.size)
        return replace(self, sharers=mesh.size)


@dataclass(frozen=True)
class Forecast:
    """What a run will take at most.

    Attributes:
        seconds: of all steps, if none is saved by stopping early, and of all draws.
        needs: what else it takes.
    """

    seconds: float
    needs: Needs

    def __str__(self) -> str:
        minutes = self.seconds / 60
        span = f"{minutes / 60:.1f} h" if minutes > 90 else f"{minutes:.0f} min"
        return f"at most {span}, about {self.needs.memory / _GIB:.1f} GiB"


def forecast(
    method: Any,
    shape: tuple[int, ...],
    noise_std: float,
    max_steps: int,
    needs: Callable[[], Needs],
) -> Forecast | None:
    """What a large image takes; None of small ones and of methods without steps.

    The seconds are those of a step on a piece of 256x256, for as many pixels;
    a draw is half a step.

    Args:
        method: the solver.
        shape: (H, W, C) of its image.
        noise_std: that it is told.
        max_steps: of the run.
        needs: what else it takes; asked of large images alone.
    """
    pixels = shape[0] * shape[1]
    if not isinstance(method, Method) or pixels < LARGE:
        return None
    y = jnp.full((_SIDE, _SIDE, shape[2]), 0.5)
    observation = Observation.create(y, Identity(), noise_std)
    problem = jax.device_put((observation, y, jax.random.key(0)))
    inner: Any = getattr(method, "method", method)  # of a wrapper
    prior, times = getattr(inner, "prior", None), pixels / _SIDE**2
    if isinstance(prior, Tiled):
        inner, times = replace(inner, prior=prior.prior), times * prior.work(shape)

    def step(method, observation, start, key):
        method = method.cast(start.dtype)
        problem = Problem(observation, start, 1, key)
        return method.image(method.step(problem, method.init(problem)))

    program = jax.jit(step).lower(inner, *problem).compile()
    seconds = min(_seconds(program, inner, *problem) for _ in range(2)) / 2
    passes = max_steps + 1 + getattr(inner, "other_views", 0)
    steps = passes * getattr(method, "runs", 1) + getattr(method, "trials", 0)
    found = needs()
    steps += found.draws / 2
    return Forecast(seconds * times * steps / found.sharers, found)


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
    free, needs = free_memory(), found.needs
    if needs.memory > free:
        tiles = f"take --tile={needs.tile}, or " if needs.tile else ""
        raise InputError(
            f"--input: {size} needs about {needs.memory / _GIB:.1f} GiB,"
            f" {free / _GIB:.1f} GiB are free; {tiles}cut it into parts, reduce it,"
            " or take a smaller --factor"
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
