"""Methods that descend on any variables, by Adam or by gradient descent."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.solvers.adam import AdamMethod, View
from jaxrestore.solvers.method import Method, Problem
from jaxrestore.solvers.results import Found

DESCENTS = ("adam", "gradient_descent")
_SUFFICIENT = 1e-4  # of the decrease that the gradient promises
_HALVINGS = 30
_ANY = 1e30


class Descent(Method):
    """A method whose field `descent` names one of `DESCENTS`.

    A subclass has the fields `descent`, `learning_rate` and `final_learning_rate` and
    says where it starts and what it minimises.

    * "adam" (betas 0.9 and 0.999, epsilon 1e-8): step k of K has the learning rate
      learning_rate * (final_learning_rate / learning_rate)^(k / (K - 1)).
    * "gradient_descent": p <- p - t grad F(p). t is twice the last step's, but no more
      than the largest of `sizes`, and is halved until F falls by 1e-4 of what the
      gradient promises; F never rises. Where no t does it, the run has STALLED.
    """

    descends: ClassVar = True
    descent: str
    learning_rate: Any
    final_learning_rate: Any

    def first(self, problem: Problem) -> Any:
        """The first point, any pytree."""
        raise NotImplementedError

    def evaluate(self, problem: Problem, point: Any) -> tuple[jax.Array, View]:
        """The objective at a point, differentiable, and what it shows."""
        raise NotImplementedError

    def evaluate_after(
        self, problem: Problem, point: Any, steps: Any
    ) -> tuple[jax.Array, View]:
        """The same after so many steps of Adam; gradient descent has one objective."""
        return self.evaluate(problem, point)

    def sizes(self, problem: Problem) -> tuple[Any, Any]:
        """Half of gradient descent's first trial of t, and the largest t."""
        return self.learning_rate, _ANY

    def init(self, problem):
        return self._by.init(problem)

    def step(self, problem, state):
        return self._by.step(problem, state)

    def image(self, state):
        return state.view.image

    def objective(self, problem, state):
        return state.value

    def stalled(self, problem, state):
        return self._by.stalled(problem, state)

    def found(self, problem, state, steps):
        once = steps + 1
        tried = once if self.descent == "adam" else state.evaluations
        return Found(state.view.mean, evaluations=tried, gradients=once)

    @property
    def _by(self) -> Method:
        return _Adam(self) if self.descent == "adam" else _Backtracking(self)


@dataclass(frozen=True)
class _Adam(AdamMethod):
    of: Descent

    def first(self, problem):
        return self.of.first(problem)

    def evaluate_after(self, problem, point, steps):
        return self.of.evaluate_after(problem, point, steps)

    def rate(self, problem):
        first, last = self.of.learning_rate, self.of.final_learning_rate
        steps = max(problem.max_steps - 1, 1)
        return lambda count: first * (last / first) ** (count / steps)


class _State(NamedTuple):
    """A point with F and its gradient there, and the last step size.

    `evaluations` counts those of F, with its gradient or without.
    """

    point: Any
    slope: Any
    value: jax.Array
    view: View
    size: jax.Array
    largest: jax.Array
    evaluations: jax.Array
    stuck: jax.Array


@dataclass(frozen=True)
class _Backtracking(Method):
    of: Descent

    def init(self, problem):
        point = self.of.first(problem)
        dtype = problem.start.dtype
        sizes = [jnp.asarray(size, dtype) for size in self.of.sizes(problem)]
        slope, value, view = self._slope(problem, point)
        none = jnp.int32(1), jnp.array(False)
        return _State(point, slope, value, view, sizes[0], sizes[1], *none)

    def step(self, problem, state):
        squared = sum(jnp.sum(jnp.square(s)) for s in jax.tree.leaves(state.slope))

        def moved(size):
            return jax.tree.map(
                lambda p, s: (p - size * s).astype(p.dtype), state.point, state.slope
            )

        def too_long(trial):
            size, count = trial
            enough = state.value - _SUFFICIENT * size * squared
            # A NaN is left to the driver; the other way round it would loop on it.
            found, _ = self.of.evaluate(problem, moved(size))
            return (found > enough) & (count < _HALVINGS)

        first = jnp.minimum(2 * state.size, state.largest), jnp.int32(0)
        size, halvings = jax.lax.while_loop(
            too_long, lambda t: (t[0] / 2, t[1] + 1), first
        )
        point = moved(size)
        slope, value, view = self._slope(problem, point)
        after = state._replace(point=point, slope=slope, value=value, view=view)
        down = ~(value > state.value)
        kept = jax.tree.map(lambda a, b: jnp.where(down, a, b), after, state)
        # Rounding may hide the decrease that the gradient promises.
        stuck = ~(value < state.value) & (squared > 0)
        tried = state.evaluations + halvings + 2  # the trials, and the gradient's
        return kept._replace(size=size, evaluations=tried, stuck=stuck)

    def stalled(self, problem, state):
        return state.stuck

    def _slope(self, problem, point) -> tuple[Any, Any, Any]:
        evaluate = jax.value_and_grad(
            lambda p: self.of.evaluate(problem, p), has_aux=True
        )
        (value, view), slope = evaluate(point)
        return slope, value, view
