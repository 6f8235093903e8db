"""Methods that run Adam on any variables of an objective."""

from typing import Any, ClassVar, NamedTuple

import jax
import optax

from jaxrestore.solvers.method import Method, Problem


@jax.custom_batching.custom_vmap
def in_step(steps: jax.Array) -> jax.Array:
    """How many steps were taken; one number for all images of a batch.

    Images that run side by side are at the same step until they have ended, and the
    steps of those that have are thrown away: what branches on the number stays one
    branch under `jax.vmap`, which would otherwise compute all.
    """
    return steps


@in_step.def_vmap
def _of_batch(size, batched, steps):
    return in_step(steps.max(axis=0) if batched[0] else steps), False


class View(NamedTuple):
    """What an objective shows beside its value: two images (H, W, C)."""

    image: jax.Array
    mean: jax.Array


class AdamState(NamedTuple):
    """Variables with the objective and its gradient there, and Adam's moments."""

    point: Any
    slope: Any
    value: jax.Array
    view: View
    moments: Any


class AdamMethod(Method):
    """Adam (betas 0.9 and 0.999, epsilon 1e-8).

    A subclass says where it starts, what it minimises and how fast.
    """

    descends: ClassVar = True

    def first(self, problem: Problem) -> Any:
        """The first point, any pytree."""
        raise NotImplementedError

    def evaluate(self, problem: Problem, point: Any) -> tuple[jax.Array, View]:
        """The objective at a point, differentiable, and what it shows."""
        raise NotImplementedError

    def evaluate_after(
        self, problem: Problem, point: Any, steps: jax.Array
    ) -> tuple[jax.Array, View]:
        """The same after so many steps, for an objective that changes with them."""
        return self.evaluate(problem, point)

    def rate(self, problem: Problem) -> Any:
        """The learning rate, > 0, or a schedule of the number of steps taken."""
        return self.learning_rate  # type: ignore[attr-defined]

    def init(self, problem):
        point = self.first(problem)
        return self._at(problem, point, optax.adam(self.rate(problem)).init(point))

    def step(self, problem, state):
        adam = optax.adam(self.rate(problem))
        updates, moments = adam.update(state.slope, state.moments)
        point: Any = optax.apply_updates(state.point, updates)
        return self._at(problem, point, moments)

    def image(self, state):
        return state.view.image

    def objective(self, problem, state):
        return state.value

    def _at(self, problem: Problem, point: Any, moments: Any) -> AdamState:
        steps = in_step(moments[0].count)
        evaluate = jax.value_and_grad(
            lambda p: self.evaluate_after(problem, p, steps), has_aux=True
        )
        (value, view), slope = evaluate(point)
        return AdamState(point, slope, value, view, moments)
