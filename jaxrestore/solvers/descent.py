"""Descent methods for `variational`, as the driver takes them."""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax

from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Operator

METHODS = ("adam", "gradient_descent")
SCALINGS = ("pixel", "literal")
_POWER_STEPS = 30
_SUFFICIENT = 1e-4  # of the decrease that the gradient promises
_HALVINGS = 30


@dataclass(frozen=True)
class Objective:
    """F(x) = data_weight * ||Ax - y||^2 / 2 + weight * g(x)."""

    regulariser: Any
    observation: Observation
    data_weight: jax.Array
    weight: jax.Array

    def __call__(self, x: jax.Array) -> jax.Array:
        """F(x), a scalar."""
        misfit = jnp.sum(jnp.square(self.observation.residual(x)))
        return self.data_weight * misfit / 2 + self.weight * self.regulariser(x)

    def with_gradient(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """F(x) and its gradient (H, W, C)."""
        residual = self.observation.residual(x)
        misfit = jnp.sum(jnp.square(residual))
        roughness, gradient = jax.value_and_grad(self.regulariser)(x)
        pull = self.observation.operator.adjoint(residual)
        return (
            self.data_weight * misfit / 2 + self.weight * roughness,
            self.data_weight * pull + self.weight * gradient,
        )

    def data_lipschitz(self, shape: tuple[int, ...]) -> jax.Array:
        """Lipschitz constant of the data term's gradient, data_weight * ||A||^2."""
        return self.data_weight * norm_squared(self.observation.operator, shape)


def norm_squared(operator: Operator, shape: tuple[int, ...]) -> jax.Array:
    """Largest eigenvalue of A'A, from below, by power iteration.

    Args:
        operator: A.
        shape: (H, W, C) of the images that it takes.
    """
    # A constant image is the answer for positive kernels; the noise finds the others.
    start = 1 + jax.random.normal(jax.random.key(0), shape)

    def step(_, v):
        w = operator.adjoint(operator(v / jnp.linalg.norm(v.ravel())))
        return jnp.where(jnp.linalg.norm(w.ravel()) > 0, w, v)

    return jnp.linalg.norm(jax.lax.fori_loop(0, _POWER_STEPS, step, start).ravel())


class AdamState(NamedTuple):
    """An iterate with F and its gradient there, and Adam's moments."""

    image: jax.Array
    value: jax.Array
    gradient: jax.Array
    moments: Any
    evaluations: jax.Array


@dataclass(frozen=True)
class Adam:
    """Adam with a learning rate that falls exponentially over `max_steps` steps."""

    of: Objective
    start: jax.Array
    learning_rate: jax.Array
    final_learning_rate: jax.Array
    max_steps: int

    def init(self) -> AdamState:
        """The state at the starting image."""
        moments = optax.scale_by_adam().init(self.start)
        first = self.of.with_gradient(self.start)
        return AdamState(self.start, *first, moments, jnp.int32(1))

    def step(self, state: AdamState) -> AdamState:
        """One update, with the gradient at the image that it leads to."""
        update = optax.scale_by_adam().update(state.gradient, state.moments)
        direction, moments = cast(tuple[jax.Array, Any], update)
        ratio = self.final_learning_rate / self.learning_rate
        done = (state.evaluations - 1) / max(self.max_steps - 1, 1)
        rate = self.learning_rate * ratio**done
        image = (state.image - rate * direction).astype(state.image.dtype)
        after = self.of.with_gradient(image)
        return AdamState(image, *after, moments, state.evaluations + 1)

    def image(self, state: AdamState) -> jax.Array:
        """The iterate."""
        return state.image

    def objective(self, state: AdamState) -> jax.Array:
        """F at the iterate."""
        return state.value


class DescentState(NamedTuple):
    """An iterate with F and its gradient there, and the last step size.

    `evaluations` counts those of F, with its gradient or without.
    """

    image: jax.Array
    value: jax.Array
    gradient: jax.Array
    size: jax.Array
    largest: jax.Array
    evaluations: jax.Array


@dataclass(frozen=True)
class GradientDescent:
    """Gradient descent with a step of at most 1 / L, halved until F decreases."""

    of: Objective
    start: jax.Array

    def init(self) -> DescentState:
        """The state at the starting image."""
        largest = 1 / self.of.data_lipschitz(self.start.shape)
        first = self.of.with_gradient(self.start)
        return DescentState(self.start, *first, largest, largest, jnp.int32(1))

    def step(self, state: DescentState) -> DescentState:
        """One step down, or none where no step size decreases F."""
        slope = jnp.sum(jnp.square(state.gradient))

        def moved(size):
            return (state.image - size * state.gradient).astype(state.image.dtype)

        def too_long(trial):
            size, count = trial
            enough = state.value - _SUFFICIENT * size * slope
            # A NaN is left to the driver; the other way round it would loop on it.
            return (self.of(moved(size)) > enough) & (count < _HALVINGS)

        # Tries the double of the last size first, so that it may grow again.
        first = jnp.minimum(2 * state.size, state.largest), jnp.int32(0)
        size, halvings = jax.lax.while_loop(
            too_long, lambda t: (t[0] / 2, t[1] + 1), first
        )
        image = moved(size)
        value, gradient = self.of.with_gradient(image)
        down = ~(value > state.value)
        return DescentState(
            jnp.where(down, image, state.image),
            jnp.where(down, value, state.value),
            jnp.where(down, gradient, state.gradient),
            size,
            state.largest,
            state.evaluations + halvings + 2,  # the trials, and the gradient's
        )

    def image(self, state: DescentState) -> jax.Array:
        """The iterate."""
        return state.image

    def objective(self, state: DescentState) -> jax.Array:
        """F at the iterate."""
        return state.value
