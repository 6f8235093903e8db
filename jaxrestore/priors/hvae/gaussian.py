"""Diagonal Gaussians, the only distributions of latents in a hierarchical VAE."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

LOG_2PI = 1.8378770664093453
SOFTPLUS_BETA = 0.6931472  # ln 2, so that a raw value of 0 means a std of 1


class Gaussian(NamedTuple):
    """N(mean, diag(std^2)); both arrays of one shape, float32."""

    mean: jax.Array
    std: jax.Array

    def sample(self, key: jax.Array, temperature=1.0) -> jax.Array:
        """A draw of N(mean, temperature^2 std^2), the tempered density."""
        noise = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + temperature * self.std * noise

    def log_prob(self, value: jax.Array, where: jax.Array | None = None) -> jax.Array:
        """log N(value; mean, std^2) in nats, summed over all elements, or over some."""
        scaled = (value - self.mean) / self.std
        terms = 0.5 * (LOG_2PI + scaled**2) + jnp.log(self.std)
        return -jnp.sum(terms, where=where)

    def kl_from(self, other: "Gaussian") -> jax.Array:
        """KL(other || self) in nats, summed over all elements."""
        ratio = other.std / self.std
        shift = (other.mean - self.mean) / self.std
        return jnp.sum(0.5 * (ratio**2 + shift**2 - 1.0) - jnp.log(ratio))


def scaled_softplus(raw: jax.Array) -> jax.Array:
    """log(1 + exp(b r)) / b with b = ln 2: positive, 1 at 0, r for large r."""
    return jax.nn.softplus(SOFTPLUS_BETA * raw) / SOFTPLUS_BETA


def from_raw(raw: jax.Array) -> Gaussian:
    """Split (..., 2Z) raw statistics into mean and scaled-softplus std, in float32."""
    mean, raw_std = jnp.split(raw.astype(jnp.float32), 2, axis=-1)
    return Gaussian(mean, scaled_softplus(raw_std))


def from_log_std(raw: jax.Array) -> Gaussian:
    """Split (..., 2Z) raw statistics into mean and log standard deviation, float32."""
    mean, log_std = jnp.split(raw.astype(jnp.float32), 2, axis=-1)
    return Gaussian(mean, jnp.exp(log_std))


def blend(prior: Gaussian, posterior: Gaussian, temperature: jax.Array) -> jax.Array:
    """Maximise log q(z) + (1/tau^2 - 1) log p(z): one group of Algorithm 3.

    Thesis (5.23): z = (S_q + lambda S_p)^-1 (S_q m_q + lambda S_p m_p), S the inverse
    covariances and lambda = 1/tau^2 - 1. Written with weights in [0, 1], which stays
    finite at tau = 0 (the prior mean) and where both deviations underflow.
    """
    squared = temperature**2
    for_posterior = squared * prior.std**2
    total = for_posterior + (1.0 - squared) * posterior.std**2
    weight = for_posterior / jnp.maximum(total, jnp.finfo(total.dtype).tiny)
    return prior.mean + weight * (posterior.mean - prior.mean)


def tempered(
    prior: Gaussian, posterior: Gaussian, temperature: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """lambda = 1/tau^2 - 1, and the standard deviation of q p^lambda, elementwise."""
    weight = 1 / temperature**2 - 1
    return weight, (posterior.std**-2 + weight * prior.std**-2) ** -0.5


def tempered_factor(
    prior: Gaussian, posterior: Gaussian, temperature: jax.Array
) -> Gaussian:
    """q p^lambda, normalised (Proposition 5.1): where tau > 0."""
    _, std = tempered(prior, posterior, temperature)
    return Gaussian(blend(prior, posterior, temperature), std)
