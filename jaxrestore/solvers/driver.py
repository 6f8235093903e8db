"""The one loop that every solver runs in."""

import enum
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp


class Status(enum.IntEnum):
    """How a run ended."""

    RUNNING = 0
    CONVERGED = 1
    MAX_STEPS = 2
    PLATEAU = 3
    DIVERGED = 4


def status_name(code: Any) -> str:
    """Return the lower-case name of a status code, such as "converged"."""
    return Status(int(code)).name.lower()


class Method(Protocol):
    """A solver as the driver sees it: pure functions of an arbitrary state pytree.

    A method ``extras(state)``, where there is one, returns named scalars that join
    the history; a method ``settled(state)`` may say that a small change of the image
    does not end the run yet.
    """

    def init(self) -> Any:
        """Return the state before the first step."""
        ...

    def step(self, state: Any) -> Any:
        """Return the next state, of the same structure, shapes and dtypes."""
        ...

    def image(self, state: Any) -> jax.Array:
        """Return the iterate (H, W, C) whose change is watched."""
        ...

    def objective(self, state: Any) -> jax.Array:
        """Return the scalar that the method means to decrease."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Stopping:
    """When to stop. Every rule is a traced leaf, so changing one compiles nothing.

    With r = ||x_k - x_{k-1}|| / ||x_{k-1}|| the run is CONVERGED at r <= tolerance.

    With `patience` it ends as PLATEAU after patience + 1 steps in a row that do not
    improve the best value v seen so far by the relative `improvement`, that is, for
    which not value < (1 - sign(v) * improvement) * v. This is the rule of the
    published PnP-HVAE experiments, which follow the mean squared change
    mean((x_k - x_{k-1})^2).

    Attributes:
        tolerance: relative residual, >= 0; 0 never stops before an exact fixed point.
        patience: steps without improvement that are forgiven, >= 0, or None: no such
            rule.
        improvement: relative improvement that counts, >= 0.
    """

    tolerance: Any = 1e-4
    patience: Any = None
    improvement: Any = 1e-3


class Run(NamedTuple):
    """What the driver hands to a solver. `history` is None unless it was asked for."""

    state: Any
    steps: jax.Array
    residual: jax.Array
    status: jax.Array
    history: dict[str, jax.Array] | None


class _Carry(NamedTuple):
    state: Any
    steps: jax.Array
    residual: jax.Array
    change: jax.Array
    best: jax.Array
    stale: jax.Array
    status: jax.Array
    history: dict[str, jax.Array] | None


def run(
    method: Method,
    stopping: Stopping,
    *,
    max_steps: int,
    history: bool,
    watch: str = "change",
) -> Run:
    """Iterate `method` until a rule of `stopping` holds or `max_steps` are done.

    One `lax.while_loop`; under `jax.vmap` every image keeps its own result from its
    own last step. A step that yields anything not finite is not taken: the run ends
    as DIVERGED with the last finite state, and `steps` does not count it. A start
    that is not finite ends as DIVERGED with 0 steps, and the start comes back as it
    was.

    Args:
        method: the solver.
        stopping: the rules.
        max_steps: static cap on the number of steps, >= 1.
        history: static; record "residual", "objective" and "contraction"
            (||x_k - x_{k-1}|| / ||x_{k-1} - x_{k-2}||) and the method's extras, each
            (max_steps,), NaN after the last step taken; the contraction of the first
            step is NaN.
        watch: static; what the plateau rule follows, "change" (the mean squared
            change) or "objective".

    Returns:
        The last state with the number of steps, the last relative residual (infinite
        before the first step), the status code and the history.
    """
    state = method.init()
    dtype = method.image(state).dtype
    names = ("residual", "objective", "contraction", *_extras(method, state))
    first = _Carry(
        state=state,
        steps=jnp.int32(0),
        residual=jnp.array(jnp.inf, dtype),
        change=jnp.array(jnp.nan, dtype),
        best=jnp.array(jnp.inf, dtype),
        stale=jnp.int32(0),
        status=jnp.where(_finite(state), Status.RUNNING, Status.DIVERGED),
        history={n: jnp.full(max_steps, jnp.nan, dtype) for n in names}
        if history
        else None,
    )

    def body(carry: _Carry) -> _Carry:
        return _advance(method, stopping, max_steps, watch, carry)

    last = jax.lax.while_loop(lambda c: c.status == Status.RUNNING, body, first)
    return Run(last.state, last.steps, last.residual, last.status, last.history)


def _advance(
    method: Method, stopping: Stopping, max_steps: int, watch: str, carry: _Carry
) -> _Carry:
    state = method.step(carry.state)
    before, after = method.image(carry.state), method.image(state)
    change = jnp.linalg.norm((after - before).ravel())
    tiny = jnp.finfo(change.dtype).tiny
    residual = change / jnp.maximum(jnp.linalg.norm(before.ravel()), tiny)
    objective = method.objective(state)
    value = objective if watch == "objective" else change**2 / after.size
    better = value < (1 - jnp.sign(carry.best) * stopping.improvement) * carry.best
    stale = jnp.where(better, 0, carry.stale + 1)
    steps = carry.steps + 1

    status = jnp.where(steps >= max_steps, Status.MAX_STEPS, Status.RUNNING)
    if stopping.patience is not None:
        status = jnp.where(stale > stopping.patience, Status.PLATEAU, status)
    converged = residual <= stopping.tolerance
    if (settled := getattr(method, "settled", None)) is not None:
        converged &= settled(state)
    status = jnp.where(converged, Status.CONVERGED, status)
    values = {
        "residual": residual,
        "objective": objective,
        "contraction": change / carry.change,
        **_extras(method, state),
    }
    taken = _Carry(
        state=state,
        steps=steps,
        residual=residual,
        change=change,
        best=jnp.where(better, value, carry.best),
        stale=stale,
        status=status,
        history=carry.history and _record(carry.history, carry.steps, values),
    )
    refused = carry._replace(status=jnp.full_like(status, Status.DIVERGED))
    healthy = _finite(state) & jnp.isfinite(residual)
    return jax.tree.map(lambda a, b: jnp.where(healthy, a, b), taken, refused)


def _record(
    history: dict[str, jax.Array], step: jax.Array, values: dict[str, jax.Array]
) -> dict[str, jax.Array]:
    return {name: past.at[step].set(values[name]) for name, past in history.items()}


def _extras(method: Method, state: Any) -> dict[str, jax.Array]:
    extras = getattr(method, "extras", None)
    return extras(state) if extras else {}


def _finite(state: Any) -> jax.Array:
    leaves = [
        jnp.isfinite(leaf).all()
        for leaf in jax.tree.leaves(state)
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
    return jnp.stack(leaves).all()
