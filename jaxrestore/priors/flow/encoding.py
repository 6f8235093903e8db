"""What a flow makes of an image, and the units of its density."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Encoding(NamedTuple):
    """What a flow makes of images; groups the coarsest first.

    Attributes:
        raw: z_l as the network gives them.
        whitened: (z_l - mean(z_<l)) / std(z_<l), N(0, I) where the model is right.
        log_prior: (..., L) log p(z_l | z_<l) of each group, in nats.
        log_det: (...) log |det dz/dx|, in nats.
    """

    raw: tuple[jax.Array, ...]
    whitened: tuple[jax.Array, ...]
    log_prior: jax.Array
    log_det: jax.Array

    @property
    def log_prob(self) -> jax.Array:
        """log p(x) = sum_l log p(z_l | z_<l) + log |det dz/dx|."""
        return self.log_prior.sum(-1) + self.log_det


def bits_per_dim(log_prob: jax.Array, values: int, levels: int) -> jax.Array:
    """See `Glow.bits_per_dim`; of log p(x) and the number of values in x."""
    return (math.log(levels) - log_prob / values) / math.log(2)


def log_normal(epsilon: jax.Array) -> jax.Array:
    """log N(epsilon; 0, 1), by element."""
    return -0.5 * (jnp.square(epsilon) + math.log(2 * math.pi))
