"""Descent on data term plus differentiable regulariser (thesis, 3.4 and 3.5)."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.operators import LinearOperator
from jaxrestore.priors.base import Density
from jaxrestore.settings import choice, number, setting, static
from jaxrestore.solvers import checks
from jaxrestore.solvers.adam import AdamMethod, View
from jaxrestore.solvers.method import Method, Problem
from jaxrestore.solvers.results import Found
from jaxrestore.solvers.stopping import Stopping

DESCENTS = ("adam", "gradient_descent")
SCALINGS = ("pixel", "literal")
_SUFFICIENT = 1e-4  # of the decrease that the gradient promises
_HALVINGS = 30


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Variational(Method):
    """Descent with a differentiable regulariser g of images.

    Minimises over x, with n the number of pixels (H W) of x,

        F(x) = ||Ax - y||^2 / (2 n) + weight * noise_std * g(x)       "pixel"
        F(x) = ||Ax - y||^2 / (2 noise_std^2) + weight * g(x)         "literal"

    "literal" is eq. (3.4) as printed: a sum over all values beside a mean over
    patches, where the published weights do nothing to an image of ordinary size.
    "pixel" takes both as means; the slope of a critic that measures a distance asks
    for a regularisation in proportion to the noise level, which the published weights
    follow. (With a noise model of another kind the data term is the likelihood, which
    "pixel" multiplies by noise_std^2 / n.)

    From x^0, by default the observation's own starting image:

    * "adam": `max_steps` = K steps of Adam (0.9, 0.999) with the learning rate
      learning_rate * (final / learning_rate)^(k / (K - 1)), in [0, 1] units of x. The
      published experiments take K = 50, 0.1 and 0.01.
    * "gradient_descent": eq. (3.5), x <- x - t grad F(x). t starts at 1 / L, L the
      Lipschitz constant of the data term's gradient (power iteration), and is halved
      where F would not decrease (a critic is piecewise linear: its gradient has no
      Lipschitz constant), so F decreases at every step. Where no t does it, which in
      single precision can be before the minimum, the run has STALLED.

    K steps take K + 1 gradients of g. No latents; `image` and `mean` are the last x.

    Attributes:
        regulariser: g, (H, W, C) -> (): a `Critic`, `SmoothedTV`, or any
            differentiable function; a pytree's leaves may change between calls, a
            plain function is part of the program (a new one compiles anew).
        weight: > 0.
        learning_rate: of Adam's first step, > 0.
        final_learning_rate: of Adam's last step, > 0.
        scaling: "pixel" or "literal".
        descent: "adam" or "gradient_descent".
    """

    regulariser: Any
    weight: Any = setting(0.1, number(0, 1e9, above=True), "of the regulariser")
    learning_rate: Any = setting(0.1, checks.learning_rate, "of Adam's first step")
    final_learning_rate: Any = setting(0.01, checks.learning_rate, "of Adam's last")
    scaling: str = static("pixel", choice(*SCALINGS), "pixel | literal, see the docs")
    descent: str = static("adam", choice(*DESCENTS), "adam | gradient_descent")

    name: ClassVar = "variational"
    requires: ClassVar = {"regulariser": (Density,)}
    models: ClassVar = ("regulariser",)
    max_steps: ClassVar = 50
    stopping: ClassVar = Stopping(tolerance=0.0)
    descends: ClassVar = True

    def validate(self, observation):
        method = super().validate(observation)
        linear = isinstance(observation.operator, LinearOperator)
        if method.descent == "gradient_descent" and not linear:
            raise InputError(
                "descent=gradient_descent: its first step needs a linear operator, not"
                f" a {type(observation.operator).__name__}; take descent=adam"
            )
        if jax.tree_util.treedef_is_leaf(jax.tree.structure(method.regulariser)):
            wrapped = jax.tree_util.Partial(method.regulariser)
            return replace(method, regulariser=wrapped)
        return method

    def value(self, problem: Problem, x: jax.Array) -> jax.Array:
        """F(x), a scalar."""
        share, weight = self._weights(problem)
        misfit = problem.observation.neg_log_likelihood(x)
        return share * misfit + weight * self.regulariser(x)

    def init(self, problem):
        return self._descent.init(problem)

    def step(self, problem, state):
        return self._descent.step(problem, state)

    def image(self, state):
        return self._descent.image(state)

    def objective(self, problem, state):
        return state.value

    def stalled(self, problem, state):
        return self._descent.stalled(problem, state)

    def found(self, problem, state, steps):
        once = steps + 1
        tried = once if self.descent == "adam" else state.evaluations
        return Found(self.image(state), evaluations=tried, gradients=once)

    @property
    def _descent(self) -> Method:
        return _Adam(self) if self.descent == "adam" else _GradientDescent(self)

    def _weights(self, problem: Problem) -> tuple[Any, Any]:
        """Of the negative log-likelihood and of g."""
        if self.scaling == "literal":
            return 1.0, self.weight
        noise_std = jnp.asarray(problem.observation.noise.level, problem.start.dtype)
        pixels = problem.start.shape[0] * problem.start.shape[1]
        return noise_std**2 / pixels, self.weight * noise_std

    def _lipschitz(self, problem: Problem) -> jax.Array:
        """Of the data term's gradient, for Gaussian noise."""
        observation: Any = problem.observation
        share, _ = self._weights(problem)
        norm = observation.operator.norm_squared(problem.start.shape)
        return share * norm / observation.noise.level**2


@dataclass(frozen=True)
class _Adam(AdamMethod):
    """Adam with a learning rate that falls exponentially (thesis, 3.3.3)."""

    of: Variational

    def first(self, problem):
        return problem.start

    def evaluate(self, problem, point):
        return self.of.value(problem, point), View(point, point)

    def rate(self, problem):
        first, last = self.of.learning_rate, self.of.final_learning_rate
        steps = max(problem.max_steps - 1, 1)
        return lambda count: first * (last / first) ** (count / steps)


class _State(NamedTuple):
    """An iterate with F and its gradient there, and the last step size.

    `evaluations` counts those of F, with its gradient or without.
    """

    image: jax.Array
    value: jax.Array
    gradient: jax.Array
    size: jax.Array
    largest: jax.Array
    evaluations: jax.Array
    stuck: jax.Array


@dataclass(frozen=True)
class _GradientDescent(Method):
    """Gradient descent with a step of at most 1 / L, halved until F decreases."""

    of: Variational

    def init(self, problem):
        largest = 1 / self.of._lipschitz(problem)
        first = self._slope(problem, problem.start)
        counted = jnp.int32(1), jnp.array(False)
        return _State(problem.start, *first, largest, largest, *counted)

    def step(self, problem, state):
        slope = jnp.sum(jnp.square(state.gradient))

        def moved(size):
            return (state.image - size * state.gradient).astype(state.image.dtype)

        def too_long(trial):
            size, count = trial
            enough = state.value - _SUFFICIENT * size * slope
            # A NaN is left to the driver; the other way round it would loop on it.
            found = self.of.value(problem, moved(size))
            return (found > enough) & (count < _HALVINGS)

        # Tries the double of the last size first, so that it may grow again.
        first = jnp.minimum(2 * state.size, state.largest), jnp.int32(0)
        size, halvings = jax.lax.while_loop(
            too_long, lambda t: (t[0] / 2, t[1] + 1), first
        )
        image = moved(size)
        value, gradient = self._slope(problem, image)
        down = ~(value > state.value)
        # Rounding may hide the decrease that the gradient promises.
        stuck = ~(value < state.value) & (slope > 0)
        return _State(
            jnp.where(down, image, state.image),
            jnp.where(down, value, state.value),
            jnp.where(down, gradient, state.gradient),
            size,
            state.largest,
            state.evaluations + halvings + 2,  # the trials, and the gradient's
            stuck,
        )

    def stalled(self, problem, state):
        return state.stuck

    def _slope(self, problem, image):
        return jax.value_and_grad(lambda x: self.of.value(problem, x))(image)
