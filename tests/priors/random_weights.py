"""Priors with random weights, drawn by NumPy: nothing is compiled."""

import jax
import jax.numpy as jnp
import numpy as np


def random_prior(kind, config, seed=0):
    """Every weight random, none at a special value; only the fixed N(0, I) stays."""
    rng = np.random.default_rng(seed)
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    shapes = jax.eval_shape(lambda k: kind.init_params(config, k), key)

    def draw(path, leaf):
        name = path[-1].key
        if name in ("prior_mean", "prior_std"):
            return jnp.full(leaf.shape, float(name == "prior_std"))
        fan_in = np.prod(leaf.shape[-4:-1]) if name == "kernel" else 100.0
        return jnp.asarray(rng.normal(size=leaf.shape) / fan_in**0.5, jnp.float32)

    return kind(jax.tree_util.tree_map_with_path(draw, shapes), config)
