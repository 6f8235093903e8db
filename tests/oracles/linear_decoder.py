"""A linear decoder with z ~ N(0, I), of which everything is known."""

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from jaxrestore.priors import Reconstruction
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True)
class LinearDecoder:
    """x | z ~ N(1/2 + W z, std^2), W (H W C, d); the encoder says 0."""

    weights: jax.Array
    std: jax.Array
    shape: tuple[int, int, int] = field(metadata={"static": True})

    num_groups = 1
    standard_normal = True

    @classmethod
    def random(cls, key, shape, dimension, std=0.1):
        weights = 0.05 * jax.random.normal(key, (math.prod(shape), dimension))
        return cls(weights, jnp.float32(std), shape)

    def at(self, latents, shape):
        z = latents[0]
        mean = 0.5 + (self.weights @ z).reshape(self.shape)
        log_prior = -0.5 * jnp.sum(z**2 + math.log(2 * math.pi))
        std = jnp.broadcast_to(self.std, self.shape)
        return Reconstruction(mean, std, (z,), log_prior[None])

    def prior_mean(self, shape):
        return self.at((jnp.zeros(self.weights.shape[1]),), shape)

    def encode(self, image):
        return (jnp.zeros(self.weights.shape[1]),)
