"""Adam on the joint posterior of image and latents: the baseline of PnP-HVAE."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax

from jaxrestore.priors.base import Decodes, Reconstructs
from jaxrestore.pytrees import pytree
from jaxrestore.settings import setting
from jaxrestore.solvers import checks
from jaxrestore.solvers.adam import AdamMethod, View
from jaxrestore.solvers.objective import joint_objective
from jaxrestore.solvers.results import Found
from jaxrestore.solvers.temperature import for_groups, temperature


class _Point(NamedTuple):
    image: jax.Array
    latents: tuple[jax.Array, ...]


@pytree
@dataclass(frozen=True, eq=False)
class JointMAP(AdamMethod):
    """Gradient descent (Adam) on x and all z at once.

    Minimises the objective of `PnPHVAE`, eq. (5.18) of the thesis,

        J1(x, z) = ||Ax - y||^2 / (2 sigma^2)
                   + sum_i [(x_i - mu_i(z))^2 / (2 gamma_i^2)
                            + log gamma_i + log(2 pi) / 2]
                   - sum_l tau_l^-2 log p(z_l | z_<l)

    by Adam (betas 0.9 and 0.999, epsilon 1e-8) with backpropagation through the
    decoder. K steps evaluate the decoder and its gradient K + 1 times; the history's
    objective is J1 of the iterate. The released code weights the data term by
    m^-1 and the others by n^-1 (m measured, n image values) and starts from a random
    draw of q(z | x^0); here the weights are those of (5.18) and the start is
    z^0 = E_tau(x^0), that of `PnPHVAE`. `image` of the result is x_K, what the
    published experiments score; `mean` is mu(z_K).

    Attributes:
        prior: what `Decodes` and `Reconstructs`.
        latents: z^0, one array per group; None: E_tau(x^0).
        temperature: tau in (0, 1], a scalar or one per latent group, coarsest first.
        decoder_std: gamma in [0, 1] units, a number or (H, W, C); None: predicted.
        encoder_noise: noise level that the encoder is told for z^0.
        learning_rate: > 0, of image ([0, 1] units) and latents; thesis: 0.01, 0.001.
    """

    prior: Any
    latents: Any = None
    temperature: Any = setting(0.8, temperature, "0.8 | 0.8:0.6 | 0.9,0.8,...")
    decoder_std: Any = setting(10 / 255, checks.decoder_std, "10/255 | predicted")
    encoder_noise: Any = setting(None, checks.encoder_noise, "told: 10/255 | none")
    learning_rate: Any = setting(0.01, checks.learning_rate, "of Adam")

    name: ClassVar = "joint_map"
    requires: ClassVar = {"prior": (Decodes, Reconstructs)}
    models: ClassVar = ("prior",)
    max_steps: ClassVar = 500

    def validate(self, observation):
        method = super().validate(observation)
        checks.check_latents(method.prior, method.latents, observation.image_shape)
        tau = for_groups(method.temperature, method.prior.num_groups)
        return replace(method, temperature=tau)

    def first(self, problem):
        start, latents = problem.start, self.latents
        if latents is None:
            told = self.encoder_noise
            encoded = self.prior.reconstruct(start, self.temperature, told)
            latents = encoded.latents
        return _Point(start, tuple(latents))

    def evaluate(self, problem, point):
        height, width, _ = point.image.shape
        decoded = self.prior.at(point.latents, (height, width))
        settings = self.temperature, self.decoder_std
        value = joint_objective(problem.observation, point.image, decoded, *settings)
        return value, View(point.image, decoded.mean)

    def found(self, problem, state, steps):
        return Found(
            state.view.mean,
            state.point.latents,
            evaluations=steps + 1 + int(self.latents is None),
            gradients=steps + 1,
            temperature=self.temperature,
        )
