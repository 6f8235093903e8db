"""Descent with a normalising flow: in its latents, or in the image."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.priors.flow.glow import LATENTS, Glow
from jaxrestore.pytrees import pytree
from jaxrestore.settings import choice, flag, number, setting, static
from jaxrestore.solvers import checks
from jaxrestore.solvers.adam import View
from jaxrestore.solvers.descent import DESCENTS, Descent
from jaxrestore.solvers.method import Problem
from jaxrestore.solvers.results import Found
from jaxrestore.solvers.stopping import Stopping

MISFITS = ("likelihood", "squares")
PENALTIES = ("density", *LATENTS)
_RANGE = (-0.5, 1.5)  # of the released code, whose images are on [-1/2, 1/2]
_weight = number(0, 1e9)
_rate = checks.learning_rate


class FlowDescent(Descent):
    """What both formulations share: the data term.

    "likelihood": -log p(y | x), for Gaussian noise ||Ax - y||^2 / (2 sigma^2), so that
    `weight` means the same at every noise level. "squares": ||Ax - y||^2 / 2 whatever
    the noise, the noiseless form of the paper; a weight is sigma^2 times the other's.
    """

    misfit: str
    models: ClassVar = ("prior",)
    requires: ClassVar = {"prior": (Glow,)}
    max_steps: ClassVar = 400
    stopping: ClassVar = Stopping(tolerance=0.0)

    def data_term(self, problem: Problem, image: jax.Array) -> jax.Array:
        """The data term at an image, a scalar."""
        observation = problem.observation
        if self.misfit == "squares":
            return jnp.sum(jnp.square(observation.residual(image))) / 2
        return observation.neg_log_likelihood(image)

    def key(self, problem: Problem) -> jax.Array:
        """The image's random key.

        Raises:
            InputError: none was given.
        """
        if problem.key is None:
            raise InputError("start=random: needs a random key; pass key= to restore")
        return problem.key


def square_norm(latents: Any) -> jax.Array:
    """||z||^2 over all groups."""
    return sum((jnp.sum(jnp.square(z)) for z in latents), jnp.float32(0))


@pytree
@dataclass(frozen=True, eq=False)
class Synthesis(FlowDescent):
    """The image D(z) of the latents of a flow that explain the observation.

    Minimises over z, (3) of Oberlin and Verm (2021),

        F(z) = ||A D(z) - y||^2 / (2 sigma^2) + weight * ||z||^2      "likelihood"
        F(z) = ||A D(z) - y||^2 / 2 + weight * ||z||^2                "squares"

    by `descent`, see `Descent`; with "likelihood", whitened latents and weight 1/2, F
    is -log p(z | y) up to a constant. D reaches every image, so that the penalty (and
    where the descent ends) is all that keeps the result near the images it knows. K
    steps evaluate D and its gradient K + 1 times. The paper descends by gradient, its
    code by Adam at the constant rate 0.1.

    Attributes:
        prior: a `Glow`.
        weight: lambda >= 0.
        latents: "whitened", or "raw" (see `Glow`); the code's are whitened.
        start: z^0: "zero"; "image", E(x^0); or "random", N(0, I), which needs a key.
        misfit: "likelihood" or "squares".
        descent: "adam" or "gradient_descent".
        learning_rate: of Adam's first step, > 0; gradient descent first tries twice it.
        final_learning_rate: of Adam's last step, > 0.
    """

    prior: Any
    weight: Any = setting(0.5, _weight, "of the latents' squared norm")
    learning_rate: Any = setting(0.1, _rate, "of Adam's first step")
    final_learning_rate: Any = setting(0.01, _rate, "of Adam's last")
    latents: str = static("whitened", choice(*LATENTS), "whitened | raw")
    start: str = static("zero", choice("zero", "image", "random"), "of the latents")
    misfit: str = static("likelihood", choice(*MISFITS), "likelihood | squares")
    descent: str = static("adam", choice(*DESCENTS), "adam | gradient_descent")

    name: ClassVar = "synthesis"

    def first(self, problem):
        if self.start == "image":
            return self.prior.encode(problem.start, self.latents)
        if self.start == "random":
            return self.prior.draw(self.key(problem), problem.start.shape[:2])
        return self.prior.zeros()

    def evaluate(self, problem, point):
        image = self.prior.decode(point, self.latents)
        penalty = self.weight * square_norm(point)
        return self.data_term(problem, image) + penalty, View(image, image)

    def found(self, problem, state, steps):
        found = super().found(problem, state, steps)
        return Found(found.mean, state.point, found.evaluations, found.gradients)


@pytree
@dataclass(frozen=True, eq=False)
class Analysis(FlowDescent):
    """The image that explains the observation and is likely under a flow.

    Minimises over x, (4) of Oberlin and Verm (2021) or the posterior itself,

        F(x) = ||Ax - y||^2 / (2 sigma^2) + weight * g(x)      "likelihood"
        F(x) = ||Ax - y||^2 / 2 + weight * g(x)                "squares"
        g(x) = -log p(x)                                       "density"
        g(x) = ||E(x)||^2                                      "whitened", "raw"

    by `descent`, see `Descent`; with "likelihood", "density" and weight 1, F is
    -log p(x | y) up to a constant. The paper's penalty is that of "raw" latents as
    its code computes it: not those whose inverse its synthesis decodes, and neither
    of the two is a density's logarithm, since both leave out the log-determinant. K
    steps evaluate the flow and its gradient K + 1 times. The paper descends by
    gradient from D(0), its code by Adam at the constant rate 0.1, mostly from noise.

    Attributes:
        prior: a `Glow`.
        weight: lambda >= 0.
        penalty: "density", "whitened" or "raw".
        start: "image", x^0; "prior_mean", D(0); or "random", uniform on [0, 1], which
            needs a key.
        misfit: "likelihood" or "squares".
        descent: "adam" or "gradient_descent".
        learning_rate: of Adam's first step, > 0; gradient descent first tries twice it.
        final_learning_rate: of Adam's last step, > 0.
        clip: g sees x clipped to [-1/2, 3/2], as in the code: a step far out of range
            cannot overflow in the flow.
    """

    prior: Any
    weight: Any = setting(1.0, _weight, "of the penalty")
    learning_rate: Any = setting(0.03, _rate, "of Adam's first step")
    final_learning_rate: Any = setting(0.003, _rate, "of Adam's last")
    penalty: str = static("density", choice(*PENALTIES), " | ".join(PENALTIES))
    start: str = static("image", choice("image", "prior_mean", "random"), "of the run")
    misfit: str = static("likelihood", choice(*MISFITS), "likelihood | squares")
    descent: str = static("adam", choice(*DESCENTS), "adam | gradient_descent")
    clip: bool = static(True, flag, "the flow sees x clipped to [-1/2, 3/2]")

    name: ClassVar = "analysis"

    def first(self, problem):
        start = problem.start
        if self.start == "prior_mean":
            return self.prior.prior_mean(start.shape[:2]).mean.astype(start.dtype)
        if self.start == "random":
            return jax.random.uniform(self.key(problem), start.shape, start.dtype)
        return start

    def evaluate(self, problem, point):
        seen = jnp.clip(point, *_RANGE) if self.clip else point
        if self.penalty == "density":
            penalty = self.prior(seen)
        else:
            penalty = square_norm(self.prior.encode(seen, self.penalty))
        value = self.data_term(problem, point) + self.weight * penalty
        return value, View(point, point)
