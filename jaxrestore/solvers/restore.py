"""One function that runs every method."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict

import jax
import numpy as np
from jax.sharding import Mesh

from jaxrestore.likelihoods import Observation
from jaxrestore.mesh import by_rows, sharding, shared_rows, whole
from jaxrestore.settings import count
from jaxrestore.solvers.checks import check_kind, checked_start
from jaxrestore.solvers.iterate import Run, begin, finish, proceed
from jaxrestore.solvers.method import Method, Problem
from jaxrestore.solvers.results import Restoration
from jaxrestore.solvers.stopping import Status, Stopping

Progress = Callable[[int, float], None]
_REPORT_SECONDS = 0.5


def restore(
    method: Method,
    observation: Observation,
    *,
    stopping: Stopping | None = None,
    max_steps: int | None = None,
    key: jax.Array | None = None,
    history: bool = False,
    start: jax.Array | None = None,
    progress: Progress | None = None,
    mesh: Mesh | None = None,
) -> Restoration:
    """Restore one image.

    The call is one compiled program for each structure and shape: images, operators,
    weights, settings that are not static and stopping rules may change without a new
    compilation. It works inside `jax.jit` and, one image per element, under
    `jax.vmap`; under `jax.transfer_guard("disallow")` it moves nothing by itself.

    Args:
        method: such as `PnPHVAE(prior, temperature=0.8)`.
        observation: y, the operator and the noise.
        stopping: when to stop; None: the method's own rules.
        max_steps: static, most steps; None: the method's own number.
        key: random key of this image, for methods that draw.
        history: record residual, objective and contraction ratio of every step.
        start: x^0, (H, W, C); None: the observation's own starting image.
        progress: called with the number of steps so far and the last relative change,
            about twice a second and after the last step. The run is then driven from
            Python, in pieces: not inside `jax.jit`. Methods that wrap others call it
            once, at the end.
        mesh: of `jaxrestore.mesh.rows_mesh`: its devices share the rows of the image.
            Convolutions exchange the rows at the borders, Fourier transforms go from
            rows to columns; no device has the whole image. Heights are best multiples
            of devices times the prior's stride. Not inside `jax.jit`.

    Raises:
        InputError: a setting out of its range, a prior that cannot do what the method
            needs, or a start of another shape.
    """
    start = checked_start(start, observation)
    limits = stopping, max_steps, history
    arguments, static = _prepared(method, observation, limits, start, key, mesh)
    with shared_rows(mesh):
        if progress is None:
            return _restore(*arguments, **static)
        if type(method).solve is Method.solve:
            return _watched(arguments, static, progress)
        result = _restore(*arguments, **static)
    progress(int(result.steps), float(result.residual))
    return result


def memory(
    method: Method,
    observation: Observation,
    *,
    stopping: Stopping | None = None,
    max_steps: int | None = None,
    key: jax.Array | None = None,
    history: bool = False,
    mesh: Mesh | None = None,
) -> int:
    """Bytes that `restore` with `progress` takes: arrays, weights and temporaries.

    On each device; 0 where that is not to be had. Arguments as those of `restore`.
    """
    arguments = method, observation, stopping, max_steps, key, history, mesh
    return memory_of(program(*arguments))


def memory_of(program: Any) -> int:
    """Bytes that a compiled program takes; 0 where that is not to be had."""
    analysis = program.memory_analysis()
    if not analysis:
        return 0
    arrays = analysis.argument_size_in_bytes + analysis.output_size_in_bytes
    return arrays + analysis.temp_size_in_bytes - analysis.alias_size_in_bytes


def program(
    method: Method,
    observation: Observation,
    stopping: Stopping | None = None,
    max_steps: int | None = None,
    key: jax.Array | None = None,
    history: bool = False,
    mesh: Mesh | None = None,
) -> Any:
    """The compiled program of the loop of `restore`, whose arguments these are."""
    limits = stopping, max_steps, history
    arguments, static = _prepared(method, observation, limits, None, key, mesh)
    with shared_rows(mesh):
        if type(method).solve is not Method.solve:
            return _restore.lower(*arguments, **static).compile()
        run = jax.eval_shape(partial(_begin, **static), *arguments)
        if mesh:
            run = jax.tree.map(lambda a: a.update(sharding=sharding(a, mesh)), run)
        return _proceed.lower(*arguments, run, np.int32(0), **static).compile()


def _prepared(
    method: Any, observation, limits: tuple, start, key, mesh: Mesh | None
) -> tuple[Any, "_Static"]:
    """The arguments of a program, checked and where it runs: traced and static ones."""
    given, static = traced_and_static(method, observation, limits, start, key)
    method, observation, stopping, start, key = given
    # Explicit transfers, so that callers may forbid implicit ones.
    method, stopping, key = whole((method, stopping, key), mesh)
    observation, start = by_rows((observation, start), mesh)
    return (method, observation, stopping, start, key), static


def traced_and_static(
    method: Any, observation, limits: tuple, start, key
) -> tuple[Any, "_Static"]:
    """The arguments of `restored`, checked.

    Args:
        limits: stopping, max_steps and history, as for `restore`, whose arguments the
            others are, too.
    """
    check_kind(method, Method, "iterates", "sample")
    stopping, max_steps, history = limits
    method = method.validate(observation)
    stopping = (method.stopping if stopping is None else stopping).validate()
    steps = method.max_steps if max_steps is None else max_steps
    steps = count()(steps, "max_steps")
    arguments = method, observation, stopping, start, key
    return arguments, {"max_steps": steps, "history": bool(history)}


class _Static(TypedDict):
    max_steps: int
    history: bool


def _posed(method, observation, start, key, max_steps) -> tuple[Method, Problem]:
    """The method and what it is asked, in the precision of the start."""
    start = observation.initial_image() if start is None else start
    return method.cast(start.dtype), Problem(observation, start, max_steps, key)


def restored(
    method: Method,
    observation: Observation,
    stopping: Stopping,
    start: jax.Array | None,
    key: jax.Array | None,
    *,
    max_steps: int,
    history: bool,
) -> Restoration:
    """`restore`, traced."""
    method, problem = _posed(method, observation, start, key, max_steps)
    return method.solve(problem, stopping, history)


_restore = jax.jit(restored, static_argnames=("max_steps", "history"))


def _watched(arguments: tuple, static: _Static, progress: Progress) -> Restoration:
    """`_restore` in pieces of about `_REPORT_SECONDS`."""
    run, piece = _begin(*arguments, **static), 1
    while int(run.status) == Status.RUNNING:
        before, started = int(run.steps), time.monotonic()
        pause = jax.device_put(np.int32(before + piece))
        run = jax.block_until_ready(_proceed(*arguments, run, pause, **static))
        seconds = (time.monotonic() - started) / max(int(run.steps) - before, 1)
        piece = max(1, round(_REPORT_SECONDS / max(seconds, 1e-6)))
        progress(int(run.steps), float(run.residual))
    return _finish(*arguments, run, **static)


@partial(jax.jit, static_argnames=("max_steps", "history"))
def _begin(method, observation, _, start, key, *, max_steps, history) -> Run:
    method, problem = _posed(method, observation, start, key, max_steps)
    return begin(method, problem, history)


@partial(jax.jit, static_argnames=("max_steps", "history"), donate_argnums=5)
def _proceed(
    method, observation, stopping, start, key, run, pause, *, max_steps, history
) -> Run:
    method, problem = _posed(method, observation, start, key, max_steps)
    return proceed(method, problem, stopping, run, pause)


@partial(jax.jit, static_argnames=("max_steps", "history"))
def _finish(
    method, observation, _, start, key, run, *, max_steps, history
) -> Restoration:
    method, problem = _posed(method, observation, start, key, max_steps)
    return finish(method, problem, run)
