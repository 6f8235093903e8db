"""The one loop that every iterative method runs in."""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.solvers.results import Restoration
from jaxrestore.solvers.stopping import Status, Stopping

if TYPE_CHECKING:
    from jaxrestore.solvers.method import Method, Problem


class _Carry(NamedTuple):
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
            (||x_k - x_{k-1}|| / ||x_{k-1} - x_{k-2}||) and the method's extras, each
            (max_steps,), NaN after the last step taken; the contraction of the first
            step is NaN.
    """
    state = method.init(problem)
    dtype = method.image(state).dtype
    infinite, zero = jnp.array(jnp.inf, dtype), jnp.int32(0)
    names = ("residual", "objective", "contraction", *method.extras(problem, state))
    first = _Carry(
        state=state,
        steps=zero,
        residual=infinite,
        change=jnp.array(jnp.nan, dtype),
        best=infinite,
        stale=zero,
        worst=-infinite,
        growing=zero,
        status=jnp.where(_finite(state), Status.RUNNING, Status.DIVERGED),
        history={n: jnp.full(problem.max_steps, jnp.nan, dtype) for n in names}
        if history
        else None,
    )

    def body(carry: _Carry) -> _Carry:
        return _advance(method, problem, stopping, carry)

    last = jax.lax.while_loop(lambda c: c.status == Status.RUNNING, body, first)
    found = method.found(problem, last.state, last.steps)
    return Restoration(
        image=method.image(last.state),
        mean=found.mean,
        latents=found.latents,
        steps=last.steps,
        residual=last.residual,
        status=last.status,
        history=last.history,
        evaluations=zero + found.evaluations,
        gradients=zero + found.gradients,
        temperature=found.temperature,
    )


def _advance(
    method: "Method", problem: "Problem", stopping: Stopping, carry: _Carry
) -> _Carry:
    state = method.step(problem, carry.state)
    before, after = method.image(carry.state), method.image(state)
    change = jnp.linalg.norm((after - before).ravel())
    tiny = jnp.finfo(change.dtype).tiny
    residual = change / jnp.maximum(jnp.linalg.norm(before.ravel()), tiny)
    objective = method.objective(problem, state)
    value = objective if stopping.watch == "objective" else change**2 / after.size
    better = value < (1 - jnp.sign(carry.best) * stopping.improvement) * carry.best
    grown = objective if method.descends else change
    steps = carry.steps + 1
    taken = _Carry(
        state=state,
        steps=steps,
        residual=residual,
        change=change,
        best=jnp.where(better, value, carry.best),
        stale=jnp.where(better, 0, carry.stale + 1),
        worst=jnp.maximum(grown, carry.worst),
        # The first step has nothing to be compared with.
        growing=jnp.where(
            (grown > carry.worst) & (carry.steps > 0), carry.growing + 1, 0
        ),
        status=carry.status,
        history=carry.history,
    )
    taken = taken._replace(status=_status(method, problem, stopping, taken))
    if carry.history is not None:
        values = {
            "residual": residual,
            "objective": objective,
            "contraction": change / carry.change,
            **method.extras(problem, state),
        }
        past = carry.history.items()
        kept = {name: old.at[carry.steps].set(values[name]) for name, old in past}
        taken = taken._replace(history=kept)
    refused = carry._replace(status=jnp.full_like(carry.status, Status.DIVERGED))
    healthy = _finite(state) & jnp.isfinite(residual)
    return jax.tree.map(lambda a, b: jnp.where(healthy, a, b), taken, refused)


def _status(method, problem, stopping: Stopping, after: _Carry) -> jax.Array:
    """The first rule that holds, the strongest last."""
    done = after.steps >= problem.max_steps
    status = jnp.where(done, Status.MAX_STEPS, Status.RUNNING)
    if stopping.patience is not None:
        status = jnp.where(after.stale > stopping.patience, Status.PLATEAU, status)
    diverged = after.growing >= stopping.growth
    status = jnp.where(diverged, Status.DIVERGED, status)
    converged = after.residual <= stopping.tolerance
    converged &= method.settled(problem, after.state)
    status = jnp.where(converged, Status.CONVERGED, status)
    stalled = method.stalled(problem, after.state)
    return jnp.where(stalled, Status.STALLED, status)


def _finite(state: Any) -> jax.Array:
    leaves = [
        jnp.isfinite(leaf).all()
        for leaf in jax.tree.leaves(state)
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
    return jnp.stack(leaves).all()
