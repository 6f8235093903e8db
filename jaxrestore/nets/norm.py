"""Batch normalisation as a function: its statistics are parameters."""

import flax.linen as nn
import jax
import jax.numpy as jnp

_EPSILON = 1e-5


class Norm(nn.Module):
    """(x - mean) / sqrt(var + 1e-5) * scale + bias of each channel: (H, W, C) to same.

    mean and var are what a training saw.
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        zeros, ones = nn.initializers.zeros, nn.initializers.ones
        shape = (x.shape[-1],)
        scale = self.param("scale", ones, shape, jnp.float32)
        bias = self.param("bias", zeros, shape, jnp.float32)
        mean = self.param("mean", zeros, shape, jnp.float32)
        var = self.param("var", ones, shape, jnp.float32)
        return (x - mean) * (scale * jax.lax.rsqrt(var + _EPSILON)) + bias
