"""Priors with random weights, drawn by NumPy: nothing is compiled."""

from functools import lru_cache

import jax
import numpy as np

from jaxrestore.priors import Glow, PatchVDVAEConfig

TWO_SCALES = PatchVDVAEConfig(
    strides=(1, 2),
    groups=(1, 1),
    cells=(1, 1),
    top_down_filters=(8, 8),
    bottom_up_filters=(8, 8),
    kernel_sizes=(3, 3),
    latent_channels=3,
    skip_filters=4,
    noise_input=True,
)


def floats(array):
    """On the device as they are: `jnp.asarray` compiles something for every shape."""
    return jax.device_put(array.astype(np.float32))


@lru_cache
def random_prior(kind, config, seed=0):
    """Every weight random, none at a special value; only the fixed N(0, I) stays."""
    rng = np.random.default_rng(seed)
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    shapes = jax.eval_shape(lambda k: kind.init_params(config, k), key)

    def draw(path, leaf):
        name = path[-1].key
        if name in ("prior_mean", "prior_std"):
            return floats(np.full(leaf.shape, name == "prior_std"))
        fan_in = np.prod(leaf.shape[-4:-1]) if name == "kernel" else 100.0
        return floats(rng.normal(size=leaf.shape) / fan_in**0.5)

    return kind(jax.tree_util.tree_map_with_path(draw, shapes), config)


@lru_cache
def random_glow(config, seed=0, scale=0.1):
    """A Glow with random weights whose 1x1 convolutions have inverses."""
    rng = np.random.default_rng(seed)
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    shapes = jax.eval_shape(lambda k: Glow.init_params(config, k), key)

    def draw(path, leaf):
        name, above, noise = path[-1].key, path[-2].key, rng.normal(size=leaf.shape)
        if name == "order":
            orders = [rng.permutation(leaf.shape[1]) for _ in range(leaf.shape[0])]
            return floats(np.stack(orders))
        if name == "sign":
            return floats(np.sign(noise))
        base = 1.0 if (name, above) == ("scale", "actnorm") else 0.0
        base = np.eye(leaf.shape[-1]) if name == "matrix" else base
        return floats(base + scale * noise)

    return Glow(jax.tree_util.tree_map_with_path(draw, shapes), config)
