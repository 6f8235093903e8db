"""Descent on data term plus differentiable regulariser (thesis, 3.4 and 3.5)."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.operators import LinearOperator
from jaxrestore.priors.base import Density
from jaxrestore.pytrees import pytree
from jaxrestore.settings import choice, flag, number, setting, static
from jaxrestore.solvers import checks
from jaxrestore.solvers.adam import View
from jaxrestore.solvers.descent import DESCENTS, Descent
from jaxrestore.solvers.method import Problem
from jaxrestore.solvers.stopping import Stopping

SCALINGS = ("pixel", "literal")


@pytree
@dataclass(frozen=True, eq=False)
class Variational(Descent):
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

    With `turns`, g at Adam's step k is that of x turned by k quarters. A critic that
    was trained on upright patches answers with ripples along rows and columns of its
    own; those of the four turns largely cancel. No step takes longer, as it would with
    the mean of all four for g. What is minimised is then that mean, by one part of it
    at a time, and the recorded value is F with the g of its step: a rule that watches
    the objective needs a patience of 4 steps or more.

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
        turns: as above; for "adam".
    """

    regulariser: Any
    weight: Any = setting(0.1, number(0, 1e9, above=True), "of the regulariser")
    learning_rate: Any = setting(0.1, checks.learning_rate, "of Adam's first step")
    final_learning_rate: Any = setting(0.01, checks.learning_rate, "of Adam's last")
    scaling: str = static("pixel", choice(*SCALINGS), "pixel | literal, see the docs")
    descent: str = static("adam", choice(*DESCENTS), "adam | gradient_descent")
    turns: bool = static(False, flag, "x is turned for the regulariser, step by step")

    name: ClassVar = "variational"
    requires: ClassVar = {"regulariser": (Density,)}
    models: ClassVar = ("regulariser",)
    max_steps: ClassVar = 50
    stopping: ClassVar = Stopping(tolerance=0.0)

    def validate(self, observation):
        method = super().validate(observation)
        linear = isinstance(observation.operator, LinearOperator)
        if method.descent == "gradient_descent" and not linear:
            raise InputError(
                "descent=gradient_descent: its first step needs a linear operator, not"
                f" a {type(observation.operator).__name__}; take descent=adam"
            )
        if method.turns and method.descent != "adam":
            raise InputError(
                f"turns=True: is for descent=adam; {method.descent} halves its steps by"
                " one objective, which must stay the same; take turns=False"
            )
        if jax.tree_util.treedef_is_leaf(jax.tree.structure(method.regulariser)):
            wrapped = jax.tree_util.Partial(method.regulariser)
            return replace(method, regulariser=wrapped)
        return method

    def value(self, problem: Problem, x: jax.Array) -> jax.Array:
        """F(x), a scalar."""
        return self._value(problem, x, self.regulariser(x))

    def first(self, problem):
        return problem.start

    def evaluate(self, problem, point):
        return self.value(problem, point), View(point, point)

    def evaluate_after(self, problem, point, steps):
        if not self.turns:
            return self.evaluate(problem, point)
        # Differentiated, a switch would keep what each of its branches needs for that.
        turned = [jax.value_and_grad(partial(self._turned, k)) for k in range(4)]
        held = jax.lax.stop_gradient(point)
        score, slope = jax.lax.switch(steps % 4, turned, held)
        score = score + jnp.sum(slope * (point - held))
        return self._value(problem, point, score), View(point, point)

    def sizes(self, problem):
        """1 / L of the data term's gradient, for Gaussian noise."""
        observation: Any = problem.observation
        share, _ = self._weights(problem)
        norm = observation.operator.norm_squared(problem.start.shape)
        largest = observation.noise.level**2 / (share * norm)
        return largest, largest

    def _turned(self, quarters: int, x: jax.Array) -> jax.Array:
        return self.regulariser(jnp.rot90(x, quarters))

    def _value(self, problem: Problem, x: jax.Array, score: jax.Array) -> jax.Array:
        share, weight = self._weights(problem)
        return share * problem.observation.neg_log_likelihood(x) + weight * score

    def _weights(self, problem: Problem) -> tuple[Any, Any]:
        """Of the negative log-likelihood and of g."""
        if self.scaling == "literal":
            return 1.0, self.weight
        noise_std = jnp.asarray(problem.observation.noise.level, problem.start.dtype)
        pixels = problem.start.shape[0] * problem.start.shape[1]
        return noise_std**2 / pixels, self.weight * noise_std
