"""A plain VAE as functions of its parameters: a walk over one latent group."""

import math

import jax
import jax.numpy as jnp

from jaxrestore.nets.vae_blocks import Decoder, Encoder
from jaxrestore.priors.hvae.gaussian import Gaussian, from_raw
from jaxrestore.priors.hvae.stages import apply, init
from jaxrestore.priors.hvae.vae_config import VAEConfig
from jaxrestore.priors.hvae.walk import Run


def init_params(config: VAEConfig, key: jax.Array) -> dict:
    """Fresh parameters as nested dicts of float32 arrays."""
    size, channels = config.image_size, config.image_channels
    first, second = jax.random.split(key)
    return {
        "bottom_up": init(_encoder(config), first, jnp.zeros((size, size, channels))),
        "top_down": {
            "decoder": init(
                _decoder(config), second, jnp.zeros((1, 1, config.latent_dim))
            ),
            "log_std": jnp.full((), math.log(config.initial_std), jnp.float32),
        },
    }


def bottom_up(config: VAEConfig, params: dict, inputs: jax.Array) -> Gaussian:
    """q(z | x) from (S, S, C) as the encoder sees pixels."""
    return from_raw(apply(_encoder(config), params, inputs))


def runs(
    config: VAEConfig,
    params: dict,
    skips: Gaussian | None,
    shape: tuple[int, int],
) -> list[Run]:
    """One group with the prior N(0, I); its latent decoded is the stream."""
    latent_shape = (1, 1, config.latent_dim)
    decoder = jax.tree.map(lambda leaf: leaf[None], params["decoder"])

    def posterior(p, h):
        assert skips is not None
        return skips

    def prior(p, h):
        return Gaussian(jnp.zeros(latent_shape), jnp.ones(latent_shape)), h

    def merge(p, h, z):
        return apply(_decoder(config), p, z)

    return [Run(decoder, 1, latent_shape, lambda _: (), prior, posterior, merge)]


def decode_head(config: VAEConfig, params: dict, stream: jax.Array) -> Gaussian:
    """p(x | z): Gaussian on [0, 1], its mean (S, S, C) in (0, 1), one gamma for all."""
    mean = jax.nn.sigmoid(stream)
    return Gaussian(mean, jnp.broadcast_to(jnp.exp(params["log_std"]), mean.shape))


def _encoder(config: VAEConfig) -> Encoder:
    return Encoder(config.widths, config.latent_dim)


def _decoder(config: VAEConfig) -> Decoder:
    side = config.image_size // 2 ** len(config.widths)
    return Decoder(config.widths, config.image_channels, side)
