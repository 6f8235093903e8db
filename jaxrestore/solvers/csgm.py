"""CSGM: restoration by descent in the latent space alone."""

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxrestore.priors.base import Decodes
from jaxrestore.pytrees import pytree
from jaxrestore.settings import setting
from jaxrestore.solvers import checks
from jaxrestore.solvers.adam import AdamMethod, View
from jaxrestore.solvers.results import Found


@pytree
@dataclass(frozen=True, eq=False)
class CSGM(AdamMethod):
    """The decoder mean G(z) that explains the observation best.

    Minimises by Adam

        F(z) = ||A G(z) - y||^2 / (2 sigma^2) - sum_l log p(z_l | z_<l)

    which for z ~ N(0, I) is, up to a constant, 1 / (2 sigma^2) times the objective
    ||A G(z) - y||^2 + sigma^2 ||z||^2 of Bora et al. (2017) as JPMAP's experiments
    weight it. The result always lies in the range of the decoder: that is the limit of
    the method, and what `JPMAP` relaxes. K steps evaluate the decoder and its gradient
    K + 1 times. `image` and `mean` of the result are both G(z_K).

    Attributes:
        prior: what `Decodes`: a plain `VAE`, or a hierarchical one.
        latents: z^0, one array per group; None: the means of the prior (z^0 = 0 for a
            plain VAE), whatever the starting image.
        learning_rate: of Adam, > 0.
    """

    prior: Decodes
    latents: Any = None
    learning_rate: Any = setting(0.01, checks.learning_rate, "of Adam")

    name: ClassVar = "csgm"
    requires: ClassVar = {"prior": (Decodes,)}
    models: ClassVar = ("prior",)
    max_steps: ClassVar = 500

    def validate(self, observation):
        method = super().validate(observation)
        checks.check_latents(method.prior, method.latents, observation.image_shape)
        return method

    def first(self, problem):
        if self.latents is not None:
            return tuple(self.latents)
        height, width, _ = problem.start.shape
        return self.prior.prior_mean((height, width)).latents

    def evaluate(self, problem, point):
        height, width, _ = problem.start.shape
        decoded = self.prior.at(point, (height, width))
        misfit = problem.observation.neg_log_likelihood(decoded.mean)
        return misfit - decoded.log_prior.sum(), View(decoded.mean, decoded.mean)

    def found(self, problem, state, steps):
        return Found(
            state.view.mean,
            state.point,
            evaluations=steps + 1 + int(self.latents is None),
            gradients=steps + 1,
        )
