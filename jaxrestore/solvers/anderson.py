"""Anderson acceleration and over-relaxation of methods that are fixed-point maps."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.pytrees import pytree
from jaxrestore.settings import count, number, setting, static
from jaxrestore.solvers.checks import check_kind
from jaxrestore.solvers.method import Method, Wrapper


class _State(NamedTuple):
    inner: Any  # of the method, at x_k
    ahead: jax.Array  # T(x_j) of the last x_j that was not refused
    residual: jax.Array  # T(x_j) - x_j
    size: jax.Array  # its norm
    measured: jax.Array  # the norm at the point that the last step left
    plain: jax.Array  # x_k is T(x_j) itself
    usable: jax.Array  # x_j belongs to the map that is accelerated
    moves: jax.Array  # (depth, H, W, C), differences of T(x_j)
    changes: jax.Array  # (depth, H, W, C), differences of T(x_j) - x_j
    number: jax.Array  # of differences taken so far
    refused: jax.Array  # points so far


@pytree
@dataclass(frozen=True, eq=False)
class Anderson(Wrapper):
    """Fewer evaluations to the fixed point x = T(x) of a method's step.

    With r_j = T(x_j) - x_j and the differences dT_i, dr_i of the last `depth` pairs,

        c = argmin_c ||r_k - sum_i c_i dr_i||^2 + regularisation s ||c||^2,
            s = sum_i ||dr_i||^2
        x_{k+1} = T(x_k) - sum_i c_i dT_i
                  + (relaxation - 1) (r_k - sum_i c_i dr_i)

    (Anderson 1965; Walker and Ni 2011, type II). Depth 0 is over-relaxation,
    x_k + relaxation r_k. A fixed point of T stays one, and x_{k+1} is the plain step
    where nothing is known yet. Where ||r_k|| > safeguard ||r_j||, x_j the point before,
    x_k is refused: the run goes on from T(x_j), the plain step, and forgets the
    differences. After so many `refusals` only plain steps are taken: some maps pass
    places where they do not contract, and extrapolation would be caught there.

    A step costs what the method's costs, one pass through the network: T(x_k) is made
    of what the state has, and the network runs at x_{k+1} alone. The residual by which
    a run ends is that of the map, ||T(x_k) - x_k|| / ||x_k||, as of the plain
    iteration, not how far an accelerated step went. Before a method has settled (its
    schedule is not over) its own steps are taken. Memory: 2 depth + 2 images.

    Attributes:
        method: whose state is a function of the image, such as `PnPHVAE(prior)`.
        depth: differences kept, >= 0.
        regularisation: of their least squares, relative, > 0.
        safeguard: growth of the residual that is allowed, >= 1.
        refusals: after which plain steps are taken, >= 0.
        relaxation: in (0, 2).
    """

    method: Any
    depth: int = static(5, count(0, 50), "differences kept; 0: relaxation alone")
    regularisation: Any = setting(1e-6, number(0, 1, above=True), "of their fit")
    safeguard: Any = setting(1.0, number(1, 1e6), "growth of the residual allowed")
    refusals: Any = setting(3, count(0), "after which plain steps are taken")
    relaxation: Any = setting(1.0, number(0, 1.99, above=True), "1: none")

    name: ClassVar = "anderson"

    def validate(self, observation):
        check_kind(self.method, Method, "iterates", "sample")
        if type(self.method).at is Method.at:
            raise InputError(
                f"method: {self.method.name} cannot go on from another image, expected"
                " a method that can, such as PnPHVAE; run it as it is"
            )
        inner = self.method.validate(observation)
        return replace(super().validate(observation), method=inner)

    def cast(self, dtype):
        return replace(super().cast(dtype), method=self.method.cast(dtype))

    def init(self, problem):
        inner = self.method.init(problem)
        image = self.method.image(inner)
        none = jnp.zeros_like(image)
        past = jnp.zeros((self.depth, *image.shape), image.dtype)
        large = jnp.array(jnp.finfo(image.dtype).max)
        yes, no = jnp.array(True), jnp.array(False)
        kept = none, none, large, large, yes, no, past, past
        return _State(inner, *kept, jnp.int32(0), jnp.int32(0))

    def step(self, problem, state):
        here = self.method.image(state.inner)
        # Of this state only the image and the counters are used: what the network makes
        # of it is dead code, which XLA takes out.
        after = self.method.step(problem, state.inner)
        ahead = self.method.image(after)
        residual = ahead - here
        size = jnp.linalg.norm(residual.ravel())
        settled = self.method.settled(problem, state.inner)
        refused = ~state.plain & ~(size <= self.safeguard * state.size)
        known = settled & state.usable & ~refused
        taken = self._remembered(state, ahead, residual, known)
        taken = taken._replace(ahead=ahead, residual=residual, size=size)
        back = state._replace(number=jnp.int32(0), refused=state.refused + 1)
        taken = jax.tree.map(lambda a, b: jnp.where(refused, b, a), taken, back)
        image = self._mixed(taken)
        plain = refused | ~settled | (taken.refused >= self.refusals)
        image = jnp.where(plain, taken.ahead, image)
        return taken._replace(
            inner=self.method.at(problem, after, image),
            measured=size,
            plain=plain,
            usable=settled,
        )

    def image(self, state):
        return self.method.image(state.inner)

    def change(self, before, after):
        return after.measured

    def objective(self, problem, state):
        return self.method.objective(problem, state.inner)

    def found(self, problem, state, steps):
        return self.method.found(problem, state.inner, steps)

    def extras(self, problem, state):
        return self.method.extras(problem, state.inner)

    def settled(self, problem, state):
        return self.method.settled(problem, state.inner)

    def stalled(self, problem, state):
        return self.method.stalled(problem, state.inner)

    def _remembered(self, state: _State, ahead, residual, known) -> _State:
        """The state with one difference more, where it is known."""
        if not self.depth:
            return state
        place = state.number % self.depth

        def put(past, new):
            return past.at[place].set(jnp.where(known, new, past[place]))

        return state._replace(
            moves=put(state.moves, ahead - state.ahead),
            changes=put(state.changes, residual - state.residual),
            number=jnp.where(known, state.number + 1, 0),
        )

    def _mixed(self, state: _State) -> jax.Array:
        """x_{k+1} as the docstring says."""
        moved, left = state.ahead, state.residual
        if self.depth:
            valid = jnp.arange(self.depth) < state.number
            rows = state.changes.reshape(self.depth, -1) * valid[:, None]
            gram, seen = rows @ rows.T, rows @ left.ravel()
            ridge = self.regularisation * jnp.trace(gram)
            ridge = jnp.where(valid, jnp.maximum(ridge, jnp.finfo(gram.dtype).tiny), 1)
            weights = jnp.linalg.solve(gram + jnp.diag(ridge), seen)
            moved -= jnp.tensordot(weights, state.moves, 1)
            left -= jnp.tensordot(weights, state.changes, 1)
        return moved + (self.relaxation - 1) * left
