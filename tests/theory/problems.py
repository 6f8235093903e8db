"""Small problems of affine hierarchies, in double precision."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.operators import Blur, Identity, Mask, Matrix
from jaxrestore.solvers import PnPHVAE
from tests.solvers.problems import gaussian, run

SHAPE = (4, 4, 1)
SIGMA, GAMMA = 0.1, 0.25
OPERATORS = ("identity", "mask", "blur", "matrix")
KERNEL = np.array([[0.0, 0.1, 0.1], [0.0, 0.4, 0.2], [0.1, 0.1, 0.0]])


def random_image(seed, shape=SHAPE):
    return jnp.asarray(np.random.default_rng(seed).uniform(size=shape))


def matrix_of(function, size=16):
    """The matrix of an affine map of images, and its offset."""
    flat = jax.jit(lambda v: function(v.reshape(SHAPE)).ravel())
    offset = flat(jnp.zeros(size))
    return np.asarray(jax.jit(jax.vmap(flat))(jnp.eye(size)) - offset).T, offset


def operators():
    mask = jnp.asarray(np.random.default_rng(1).uniform(size=(4, 4, 1)) > 0.5)
    rows = np.random.default_rng(2).normal(size=(16, 16)) / 4 + np.eye(16)
    return {
        "identity": Identity(),
        "mask": Mask(mask.astype(jnp.float64)),
        "blur": Blur(jnp.asarray(KERNEL)),
        "matrix": Matrix(jnp.asarray(rows), SHAPE),
    }


def solve(prior, observation, tau, **settings):
    settings = {"max_steps": 3000, "tolerance": 1e-13, "history": False} | settings
    return run(
        PnPHVAE,
        prior,
        observation,
        temperature=jnp.asarray(tau),
        decoder_std=jnp.float64(GAMMA),
        **settings,
    )


def observe(operator, seed=3):
    clean = random_image(seed)
    noise = SIGMA * np.random.default_rng(seed + 1).normal(size=operator(clean).shape)
    return gaussian(operator(clean) + noise, operator, jnp.float64(SIGMA))
