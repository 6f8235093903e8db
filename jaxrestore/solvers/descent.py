"""Descent methods for `variational`, as the driver takes them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Operator
from jaxrestore.solvers.adam import Adam, View

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
    product = lambda v: operator.adjoint(operator(v))  # noqa: E731
    value, _ = optax.power_iteration(product, v0=start, num_iters=_POWER_STEPS)
    return jnp.asarray(value)


def adam(
    of: Objective, start: jax.Array, first: Any, last: Any, max_steps: int
) -> Adam:
    """Adam with a learning rate that falls exponentially over `max_steps` steps.

    lr_k = first (last / first)^(k / (K - 1)), the thesis' schedule (3.3.3).

    Args:
        of: F.
        start: the first image (H, W, C).
        first, last: learning rates, > 0.
        max_steps: K.
    """

    def rate(count):
        return first * (last / first) ** (count / max(max_steps - 1, 1))

    return Adam(lambda image: (of(image), View(image, image)), start, rate)


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
        first = jax.value_and_grad(self.of)(self.start)
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
        value, gradient = jax.value_and_grad(self.of)(image)
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
