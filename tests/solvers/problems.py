"""Small restoration problems for the solver tests."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Blur
from jaxrestore.solvers import PnPHVAE, Stopping, restore
from tests.oracles.affine_hierarchy import as_arrays, random_hierarchy

SHAPE = (6, 5, 2)
KERNEL = np.array([[0.0, 0.1, 0.1], [0.0, 0.4, 0.2], [0.1, 0.1, 0.0]], np.float32)


def prior(seed=0, **kwargs):
    """A prior with a contracting reconstruction on SHAPE images, float32."""
    kwargs = {"gain": 0.1} | kwargs
    return as_arrays(random_hierarchy(seed, SHAPE, (3, 4), **kwargs))


def operator():
    return Blur(jnp.asarray(KERNEL))


def observations(seed, batch, shape=SHAPE):
    """(batch, *shape) blurred, noisy random images."""
    clean = jax.random.uniform(jax.random.key(seed), (batch, *shape))
    noise = 0.05 * jax.random.normal(jax.random.key(seed + 1), clean.shape)
    return jax.vmap(operator())(clean) + noise


def gaussian(y, operator, noise_std):
    """An observation that nothing checks."""
    return Observation(y, operator, GaussianNoise(noise_std))


def observe(y, noise_std=0.05):
    return gaussian(y, operator(), jnp.float32(noise_std))


def run(kind, *models, history=True, **settings):
    """`restore` by a method with its models; the last of these is the observation.

    Settings of the method, stopping rules and arguments of `restore` side by side.
    """
    *models, observation = models
    rules = {f.name for f in fields(Stopping)} & settings.keys()
    if kind.name == "jpmap":
        rules -= {"growth"}
    arguments = {"max_steps", "start", "key"} & settings.keys()
    taken = {name: settings.pop(name) for name in rules | arguments}
    default = Stopping() if kind is PnPHVAE else kind.stopping
    stopping = replace(default, **{name: taken.pop(name) for name in rules})
    method = kind(*models, **settings)
    return restore(method, observation, stopping=stopping, history=history, **taken)
