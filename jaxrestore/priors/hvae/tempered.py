"""Draws of the latents given an image, and their importance weights.

A walk drives all groups with standard normal noise e: z_l = m_l + s_l e_l, where
N(m_l, s_l^2) is q(z_l | z_<l, x) p(z_l | z_<l)^(1/tau_l^2 - 1) normalised (Proposition
5.1). e is what a Markov chain moves: a step that keeps N(0, I) invariant in e is
accepted with the ratio of the weights alone.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.priors.base import Reconstruction, TemperedDraw
from jaxrestore.priors.hvae.gaussian import Gaussian, tempered_factor
from jaxrestore.priors.hvae.rules import Given, temperatures


class FromNoise(NamedTuple):
    """z = m + s e of the tempered factor; `noise` has one array per group."""

    noise: tuple[jax.Array, ...]
    temperature: jax.Array
    uses_posterior = True

    def inputs(self, start, count, shape):
        noise = jnp.stack(self.noise[start : start + count])
        return noise, temperatures(self.temperature, start, count)

    def __call__(self, inputs, prior, posterior):
        noise, tau = inputs
        factor = tempered_factor(prior, posterior, tau)
        return factor.mean + factor.std * noise


class AtLatents(Given):
    """z as handed in, beside its posterior."""

    uses_posterior = True


def keep(z, prior: Gaussian, posterior: Gaussian | None) -> tuple:
    """Collects a latent with its prior and posterior."""
    return z, prior, posterior


def weighed(decoded: tuple, groups: tuple, temperature: Any) -> TemperedDraw:
    """A draw from a walk that collected `keep`.

    Args:
        decoded: mean and standard deviation of p(x | z), [0, 1] units.
        groups: what was collected, one entry per group.
        temperature: scalar or (L,).
    """
    tau = temperatures(temperature, 0, len(groups))
    latents, noise, log_prior, log_weight = [], [], [], []
    for t, (z, prior, posterior) in zip(tau, groups, strict=True):
        factor = tempered_factor(prior, posterior, t)
        cold = Gaussian(prior.mean, t * prior.std)
        latents.append(z)
        noise.append((z - factor.mean) / factor.std)
        log_prior.append(prior.log_prob(z))
        log_weight.append(cold.log_prob(z) - factor.log_prob(z))
    mean, std = decoded
    found = Reconstruction(mean, std, tuple(latents), jnp.stack(log_prior))
    return TemperedDraw(found, tuple(noise), jnp.stack(log_weight))
