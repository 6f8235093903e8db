"""The joint MAP objective that solvers with a hierarchical VAE share."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxrestore.likelihoods import Observation
from jaxrestore.priors.base import Reconstruction


def joint_objective(
    observation: Observation,
    image: jax.Array,
    decoded: Reconstruction,
    temperature: Any,
    decoder_std: Any = None,
) -> jax.Array:
    """J1(x, z), eq. (5.18) of the thesis, a scalar in nats:

        ||Ax - y||^2 / (2 sigma^2)
        + sum_i [(x_i - mu_i(z))^2 / (2 gamma_i^2) + log gamma_i + log(2 pi) / 2]
        - sum_l tau_l^-2 log p(z_l | z_<l)

    without the constant of p(y | x) and the normalisers of the tempered priors.

    Args:
        observation: y, A and sigma.
        image: x, (H, W, C).
        decoded: mu(z), gamma(z) and log p(z_l | z_<l).
        temperature: tau, a scalar or (L,).
        decoder_std: gamma, scalar or (H, W, C); None: what the decoder predicts.
    """
    variance = decoder_variance(decoded, decoder_std)
    deviation = (image - decoded.mean) ** 2 / variance
    decoder = 0.5 * jnp.sum(deviation + jnp.log(2 * jnp.pi * variance))
    latent = jnp.sum(temperature**-2 * decoded.log_prior)
    return observation.neg_log_likelihood(image) + decoder - latent


def decoder_variance(decoded: Reconstruction, decoder_std: Any) -> Any:
    """gamma^2: that of `decoder_std`, or the predicted one where it is None."""
    return decoded.std**2 if decoder_std is None else decoder_std**2
