"""The one loop that every iterative method runs in."""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.solvers.results import Restoration
from jaxrestore.solvers.stopping import Status, Stopping

if TYPE_CHECKING:
    from jaxrestore.solvers.method import Method, Problem


class Run(NamedTuple):
    """A run between two steps."""

    state: Any
    steps: jax.Array
    residual: jax.Array
    change: jax.Array
    best: jax.Array  # of what the plateau rule follows
    stale: jax.Array
    worst: jax.Array  # of what the growth rule follows
    growing: jax.Array
    status: jax.Array
    history: dict[str, jax.Array] | None


def iterate(
    method: "Method", problem: "Problem", stopping: Stopping, history: bool
) -> Restoration:
    """Iterate `method` until a rule of `stopping` holds or `max_steps` are done.

    One `lax.while_loop`; under `jax.vmap` every image keeps its own result from its
    own last step. A step that yields anything not finite is not taken: the run ends
    as DIVERGED with the last finite state, and `steps` does not count it. A start
    that is not finite ends as DIVERGED with 0 steps, and the start comes back as it
    was.

    Args:
        method: the solver.
        problem: what it is asked.
        stopping: the rules.
        history: record "residual", "objective" and "contraction"
            (||x_k - x_{k-1}|| / ||x_{k-1} - x_{k-2}||, see `Method.change`) and the
            method's extras, each (max_steps,), NaN after the last step taken; the
            contraction of the first step is NaN.
    """
    run = begin(method, problem, history)
    return finish(method, problem, proceed(method, problem, stopping, run))


def begin(method: "Method", problem: "Problem", history: bool) -> Run:
    """The run before its first step."""
    state = method.init(problem)
    dtype = method.image(state).dtype
    names = ("residual", "objective", "contraction", *method.extras(problem, state))
    empty = {n: jnp.full(problem.max_steps, jnp.nan, dtype) for n in names}
    return fresh(state, dtype, empty if history else None)


def fresh(state: Any, dtype: Any, history: dict[str, jax.Array] | None = None) -> Run:
    """A run before its first step, from its state and an empty history."""
    infinite, zero = jnp.array(jnp.inf, dtype), jnp.int32(0)
    return Run(
        state=state,
        steps=zero,
        residual=infinite,
        change=jnp.array(jnp.nan, dtype),
        best=infinite,
        stale=zero,
        worst=-infinite,
        growing=zero,
        status=jnp.where(all_finite(state), Status.RUNNING, Status.DIVERGED),
        history=history,
    )


def proceed(
    method: "Method",
    problem: "Problem",
    stopping: Stopping,
    run: Run,
    pause: Any = None,
) -> Run:
    """Go on until the run ends, or has done `pause` steps in all."""
    pause = problem.max_steps if pause is None else pause

    def body(run: Run) -> Run:
        return _advance(method, problem, stopping, run)

    def unfinished(run: Run) -> jax.Array:
        return (run.status == Status.RUNNING) & (run.steps < pause)

    return jax.lax.while_loop(unfinished, body, run)


def finish(method: "Method", problem: "Problem", run: Run) -> Restoration:
    """What a run came to."""
    found = method.found(problem, run.state, run.steps)
    return Restoration(
        image=method.image(run.state) if found.image is None else found.image,
        mean=found.mean,
        latents=found.latents,
        steps=run.steps,
        residual=run.residual,
        status=run.status,
        history=run.history,
        evaluations=jnp.int32(0) + found.evaluations,
        gradients=jnp.int32(0) + found.gradients,
        temperature=found.temperature,
        spread=found.spread,
    )


class Step(NamedTuple):
    """What the rules look at after a step.

    Attributes:
        change: of the iterate, a norm.
        before: norm of the iterate before the step.
        size: how many values it has.
        objective: after the step.
        settled, stalled: see `Method`.
        healthy: all of the new state is finite.
        extras: named scalars that join the history.
    """

    change: jax.Array
    before: jax.Array
    size: int
    objective: jax.Array
    settled: jax.Array
    stalled: jax.Array
    healthy: jax.Array
    extras: dict[str, jax.Array]


def _advance(method: "Method", problem: "Problem", stopping: Stopping, run: Run) -> Run:
    state = method.step(problem, run.state)
    before, after = method.image(run.state), method.image(state)
    step = Step(
        change=method.change(run.state, state),
        before=jnp.linalg.norm(before.ravel()),
        size=after.size,
        objective=method.objective(problem, state),
        settled=method.settled(problem, state),
        stalled=method.stalled(problem, state),
        healthy=all_finite(state),
        extras=method.extras(problem, state),
    )
    return judged(run, state, step, stopping, problem.max_steps, method.descends)


def judged(
    run: Run, state: Any, step: Step, stopping: Stopping, max_steps: int, descends: bool
) -> Run:
    """The run after a step, or as it was, as diverged, where that is not healthy.

    Args:
        run: before the step.
        state: after it.
        step: what the rules look at.
        stopping: the rules.
        max_steps: that the run has.
        descends: growth is that of the objective.
    """
    change, objective, settled = step.change, step.objective, step.settled
    residual = change / jnp.maximum(step.before, jnp.finfo(change.dtype).tiny)
    value = objective if stopping.watch == "objective" else change**2 / step.size
    better = value < (1 - jnp.sign(run.best) * stopping.improvement) * run.best
    grown = objective if descends else change
    taken = Run(
        state=state,
        steps=run.steps + 1,
        residual=residual,
        change=change,
        best=jnp.where(better | ~settled, value, run.best),
        stale=jnp.where(better | ~settled, 0, run.stale + 1),
        worst=jnp.maximum(grown, run.worst),
        # The first step has nothing to be compared with.
        growing=jnp.where((grown > run.worst) & (run.steps > 0), run.growing + 1, 0),
        status=run.status,
        history=run.history,
    )
    taken = taken._replace(status=_status(taken, step, stopping, max_steps))
    if run.history is not None:
        values = {
            "residual": residual,
            "objective": objective,
            "contraction": change / run.change,
            **step.extras,
        }
        past = run.history.items()
        kept = {name: old.at[run.steps].set(values[name]) for name, old in past}
        taken = taken._replace(history=kept)
    refused = run._replace(status=jnp.full_like(run.status, Status.DIVERGED))
    healthy = step.healthy & jnp.isfinite(residual)
    return jax.tree.map(lambda a, b: jnp.where(healthy, a, b), taken, refused)


def _status(after: Run, step: Step, stopping: Stopping, max_steps: int) -> jax.Array:
    """The first rule that holds, the strongest last."""
    done = after.steps >= max_steps
    status = jnp.where(done, Status.MAX_STEPS, Status.RUNNING)
    if stopping.patience is not None:
        status = jnp.where(after.stale > stopping.patience, Status.PLATEAU, status)
    diverged = after.growing >= stopping.growth
    status = jnp.where(diverged, Status.DIVERGED, status)
    converged = (after.residual <= stopping.tolerance) & step.settled
    status = jnp.where(converged, Status.CONVERGED, status)
    return jnp.where(step.stalled, Status.STALLED, status)


def all_finite(state: Any) -> jax.Array:
    """Whether all floating-point arrays of a pytree are finite."""
    leaves = [
        jnp.isfinite(leaf).all()
        for leaf in jax.tree.leaves(state)
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
    return jnp.stack(leaves).all() if leaves else jnp.array(True)
