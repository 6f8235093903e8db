"""Priors with random weights, drawn by NumPy: nothing is compiled."""

import jax
import jax.numpy as jnp
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


def random_glow(config, seed=0, scale=0.1):
    """A Glow with random weights whose 1x1 convolutions have inverses."""
    rng = np.random.default_rng(seed)
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    shapes = jax.eval_shape(lambda k: Glow.init_params(config, k), key)

    def draw(path, leaf):
        name, above, noise = path[-1].key, path[-2].key, rng.normal(size=leaf.shape)
        if name == "order":
            orders = [rng.permutation(leaf.shape[1]) for _ in range(leaf.shape[0])]
            return jnp.asarray(np.stack(orders), jnp.float32)
        if name == "sign":
            return jnp.asarray(np.sign(noise), jnp.float32)
        base = 1.0 if (name, above) == ("scale", "actnorm") else 0.0
        base = np.eye(leaf.shape[-1]) if name == "matrix" else base
        return jnp.asarray(base + scale * noise, jnp.float32)

    return Glow(jax.tree_util.tree_map_with_path(draw, shapes), config)
