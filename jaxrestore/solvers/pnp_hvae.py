"""PnP-HVAE: restoration with a hierarchical VAE (thesis, Algorithm 4)."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax

from jaxrestore.priors.base import Reconstruction, Reconstructs
from jaxrestore.settings import count, setting, static
from jaxrestore.solvers import checks
from jaxrestore.solvers.method import Method, Problem
from jaxrestore.solvers.objective import decoder_variance, joint_objective
from jaxrestore.solvers.results import Found
from jaxrestore.solvers.stopping import Stopping
from jaxrestore.solvers.temperature import for_groups, temperature


class _State(NamedTuple):
    image: jax.Array
    reconstruction: Reconstruction


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class PnPHVAE(Method):
    """Encoder, decoder and data step in turn (thesis, Algorithm 4).

    Alternates two minimisations of the joint MAP objective, eq. (5.18),

        J1(x, z) = ||Ax - y||^2 / (2 sigma^2)
                   + sum_i [(x_i - mu_i(z))^2 / (2 gamma_i^2)
                            + log gamma_i + log(2 pi) / 2]
                   - sum_l tau_l^-2 log p(z_l | z_<l)

    (the constant of p(y | x) and the normalisers of the tempered priors are dropped):

        z^{k+1} = E_tau(x^k)                                     Algorithm 3
        x^{k+1} = argmin_x ||Ax - y||^2 / (2 sigma^2)
                           + sum_i (x_i - mu_i(z^{k+1}))^2 / (2 gamma_i^2)

    so x^{k+1} = prox_{gamma^2 f}(HVAE(x^k)) (Prop. 5.3). The state carries x^k with
    its reconstruction, hence K steps evaluate the network K + 1 times, and the
    returned `mean` and `latents` belong to the returned `image`. The history's
    objective is J1 of such a pair, (x^k, E_tau(x^k)).

    Attributes:
        prior: what `Reconstructs`.
        temperature: tau in (0, 1], one number or one for each latent group.
        decoder_std: gamma > 0 in [0, 1] units, a number or (H, W, C); None: what the
            decoder predicts, per pixel.
        encoder_noise: noise level in [0, 1] units that the encoder is told, for
            priors trained for denoising; None: the prior's own choice.
        cg_steps: None: exact data step. n: n steps of conjugate gradients from the
            decoder mean, 1 being what the released code does.
    """

    prior: Reconstructs
    temperature: Any = setting(
        0.8, temperature, "0.8 | 0.8:0.6 | 0.9,0.8,...; lower trusts the prior more"
    )
    decoder_std: Any = setting(10 / 255, checks.decoder_std, "10/255 | predicted")
    encoder_noise: Any = setting(None, checks.encoder_noise, "told: 10/255 | none")
    cg_steps: int | None = static(
        None, count(none=True), "of the data step; none: exact"
    )

    name: ClassVar = "pnp_hvae"
    requires: ClassVar = {"prior": (Reconstructs,)}
    models: ClassVar = ("prior",)
    max_steps: ClassVar = 50
    stopping: ClassVar = Stopping(tolerance=2e-3)

    def validate(self, observation):
        method = super().validate(observation)
        tau = for_groups(method.temperature, method.prior.num_groups)
        return replace(method, temperature=tau)

    def init(self, problem):
        return self.at(problem, None, problem.start)

    def step(self, problem, state):
        mean = state.reconstruction.mean
        variance = decoder_variance(state.reconstruction, self.decoder_std)
        image = problem.observation.prox(mean, variance, cg_steps=self.cg_steps)
        return self.at(problem, state, image.astype(state.image.dtype))

    def at(self, problem, state, image):
        prior, told = self.prior, self.encoder_noise
        return _State(image, prior.reconstruct(image, self.temperature, told))

    def objective(self, problem: Problem, state: _State) -> jax.Array:
        return joint_objective(
            problem.observation,
            state.image,
            state.reconstruction,
            self.temperature,
            self.decoder_std,
        )

    def found(self, problem, state, steps):
        return Found(
            state.reconstruction.mean,
            state.reconstruction.latents,
            evaluations=steps + 1,
            temperature=self.temperature,
        )
