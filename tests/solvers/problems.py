"""Small restoration problems for the solver tests."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Blur
from tests.oracles.affine_hierarchy import as_arrays, random_hierarchy

SHAPE = (6, 5, 2)
KERNEL = np.array([[0.0, 0.1, 0.1], [0.0, 0.4, 0.2], [0.1, 0.1, 0.0]], np.float32)


def prior(seed=0, **kwargs):
    """A prior with a contracting reconstruction on SHAPE images, float32."""
    kwargs = {"gain": 0.1} | kwargs
    return as_arrays(random_hierarchy(seed, SHAPE, (3, 4), **kwargs))


def operator():
    return Blur(jnp.asarray(KERNEL))


def observations(seed, batch):
    """(batch, *SHAPE) blurred, noisy random images."""
    clean = jax.random.uniform(jax.random.key(seed), (batch, *SHAPE))
    noise = 0.05 * jax.random.normal(jax.random.key(seed + 1), clean.shape)
    return jax.vmap(operator())(clean) + noise


def observe(y, noise_std=0.05):
    return Observation(y, operator(), jnp.float32(noise_std))
