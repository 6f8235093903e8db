"""Generalised divisive normalisation (Balle et al. 2016)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrestore.nets.bounds import lower_bound

_OFFSET = 2.0**-36
_BETA_MIN = 1e-6


def effective(stored: jax.Array, minimum: float) -> jax.Array:
    """max(s, sqrt(minimum + 2^-36))^2 - 2^-36: what a stored s stands for."""
    return jnp.square(lower_bound(stored, (minimum + _OFFSET) ** 0.5)) - _OFFSET


def stored(value: jax.Array) -> jax.Array:
    """The inverse of `effective` above its bound."""
    return jnp.sqrt(value + _OFFSET)


class GDN(nn.Module):
    """y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2) in each pixel: (..., C) to same.

    The inverse (an approximate one: it is a layer of its own) multiplies instead.
    beta >= 1e-6 and gamma >= 0 are stored as square roots (`effective`).
    """

    inverse: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        beta = self.param("beta", lambda _: stored(jnp.ones(channels, jnp.float32)))
        start = 0.1 * jnp.eye(channels, dtype=jnp.float32)
        gamma = self.param("gamma", lambda _: stored(start))
        beta, gamma = effective(beta, _BETA_MIN), effective(gamma, 0.0)
        norm = jnp.square(x) @ gamma.T.astype(x.dtype) + beta.astype(x.dtype)
        return x * (jnp.sqrt(norm) if self.inverse else jax.lax.rsqrt(norm))
