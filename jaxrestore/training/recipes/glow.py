"""Recipe of Glow: bits per dimension, dequantisation, actnorm's initialisation."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrestore.errors import InputError
from jaxrestore.priors.flow.config import GlowConfig
from jaxrestore.priors.flow.encoding import bits_per_dim
from jaxrestore.priors.flow.glow import Glow
from jaxrestore.settings import choice, count, setting
from jaxrestore.training import sharding
from jaxrestore.training.recipe import Recipe
from jaxrestore.training.recipes.hvae import ClippedCosine, picture, warmed_up_cosine

SAMPLE_TEMPERATURES = (0.5, 0.7, 1.0)


@dataclass(frozen=True)
class GlowLoss:
    """The `loss` section."""

    bits: int = setting(8, count(1, 8), "of a pixel value")
    dequantisation: str = setting(
        "quantised",
        choice("quantised", "published"),
        "published: images keep their 8 bits, whatever `bits` says",
    )


class GlowRecipe(Recipe):
    """Maximum-likelihood training of a Glow.

    Minimises bits per dimension, with n = 2^``loss.bits`` levels,

        (-log p(x) / (H W C) + log n) / log 2

    of dequantised images x, u uniform on [0, 1):

        x = (floor(n v / 256) + u) / n        "quantised"
        x = v / 255 + u / n                   "published"

    v are the 8-bit values: ``config.data.dequantise`` must be False. The first is the
    usual rule, under which the loss bounds the bits of n-level images. The second is
    that of the analysis paper's code, whose n = 32 adds the noise of 5-bit images to
    8-bit ones: its loss bounds nothing, and reads about as low as if it did. A fresh
    run begins with actnorms that whiten the first batch (Kingma and Dhariwal 2018).

    Raises:
        InputError: settings that do not fit each other.
    """

    prior, Model, Loss, Optimizer = Glow, GlowConfig, GlowLoss, ClippedCosine
    dtype = "float16"
    curves = {"bits_per_dim": ("bits_per_dim", "val_bits_per_dim")}

    def __init__(self, config):
        super().__init__(config)
        size, channels = self.model.image_size, self.model.image_channels
        config.data.require("this Glow takes", patch_size=size, channels=channels)
        if config.data.dequantise:
            raise InputError(
                "config.data.dequantise=True: expected False, the recipe adds the noise"
                " that config.loss.bits asks for"
            )

    def init(self, key):
        return self.prior.init_params(self.model, key)

    def warm_start(self, params, first_batch):
        """Whiten the first batch by each actnorm in turn."""
        key = jax.random.key(self.config.seed)
        images = first_batch()["image"]
        return sharding.to_host(self._whitened(params, images, key))

    @partial(jax.jit, static_argnums=0)
    def _whitened(self, params, images, key):
        images = self._dequantised(images, key)
        return Glow(params, self.model).initialised(images).params

    def optimizer(self, config) -> optax.GradientTransformation:
        """Adam after clipping of the norm, with `warmed_up_cosine`.

        Published: rate 1e-4, constant (``final_learning_rate`` equal to it), no clip.
        """
        return optax.chain(
            optax.clip_by_global_norm(config.optimizer.clip_norm),
            optax.adam(warmed_up_cosine(config)),
        )

    def loss(self, params, batch, key, step, frozen=None):
        images = self._dequantised(batch["image"], key)
        encoding = Glow(params, self.model).encodings(images)
        bits = self._bits(encoding.log_prob).mean()
        pixels = images[0].size * jnp.log(2.0)
        return bits, {
            "bits_per_dim": bits,
            "log_det": encoding.log_det.mean() / pixels,
            "log_prior": encoding.log_prior.sum(1).mean() / pixels,
        }

    def evaluate(self, params, batch, key, frozen=None):
        """Bits per dimension, and how far decoding is from the image."""
        images = self._dequantised(batch["image"], key)
        prior = Glow(params, self.model)
        encoding = prior.encodings(images)
        back = jax.vmap(prior.decode)(encoding.whitened)
        return {
            "bits_per_dim": self._bits(encoding.log_prob).mean(),
            "inversion_error": jnp.abs(back - images).max(),
        }

    def sheets(self, params, batch, key):
        """Samples, one row for each temperature."""
        return {"samples": picture(self._draw(params, key))}

    @partial(jax.jit, static_argnums=0)
    def _draw(self, params, key):
        prior, shape = Glow(params, self.model), (self.model.image_size,) * 2
        keys = jax.random.split(key, 8)
        draw = jax.vmap(prior.sample, (0, None, None))
        return [draw(keys, shape, tau) for tau in SAMPLE_TEMPERATURES]

    def _bits(self, log_prob: jax.Array) -> jax.Array:
        values = self.model.image_size**2 * self.model.image_channels
        return bits_per_dim(log_prob, values, 2**self.config.loss.bits)

    def _dequantised(self, images: jax.Array, key: jax.Array) -> jax.Array:
        settings = self.config.loss
        return dequantised(images, key, settings.bits, settings.dequantisation)


def dequantised(
    images: jax.Array, key: jax.Array, bits: int, rule: str = "quantised"
) -> jax.Array:
    """Images with the noise that makes a density of a probability; see `GlowRecipe`.

    Args:
        images: v / 255 with whole v, in [0, 1].
        key: of the noise.
        bits: of a value.
        rule: "quantised" or "published".
    """
    levels = 2**bits
    if rule == "quantised":
        images = jnp.floor(jnp.round(255 * images) * (levels / 256)) / levels
    return images + jax.random.uniform(key, np.shape(images)) / levels
