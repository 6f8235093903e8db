"""Adam on any variables of an objective, as the driver takes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import optax


class View(NamedTuple):
    """What an objective shows beside its value: two images (H, W, C)."""

    image: jax.Array
    mean: jax.Array


class State(NamedTuple):
    """Variables with the objective and its gradient there, and Adam's moments."""

    point: Any
    slope: Any
    value: jax.Array
    view: View
    moments: Any


@dataclass(frozen=True)
class Adam:
    """Adam (betas 0.9 and 0.999, epsilon 1e-8).

    Attributes:
        evaluate: point -> (objective, `View`), differentiable.
        start: the first point, any pytree.
        learning_rate: > 0, or a schedule of the number of steps taken.
    """

    evaluate: Callable[[Any], tuple[jax.Array, View]]
    start: Any
    learning_rate: Any

    def init(self) -> State:
        """The state at the start."""
        return self._at(self.start, self._optimizer.init(self.start))

    def step(self, state: State) -> State:
        """One update, with value and gradient at the point that it leads to."""
        updates, moments = self._optimizer.update(state.slope, state.moments)
        return self._at(optax.apply_updates(state.point, updates), moments)

    def image(self, state: State) -> jax.Array:
        """The image of the iterate."""
        return state.view.image

    def objective(self, state: State) -> jax.Array:
        """The objective at the iterate."""
        return state.value

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate)

    def _at(self, point: Any, moments: Any) -> State:
        evaluate = jax.value_and_grad(self.evaluate, has_aux=True)
        (value, view), slope = evaluate(point)
        return State(point, slope, value, view, moments)
