"""The plain VAE: a hierarchy of one group, for images of one size."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.nets.vae_blocks import Decoder, Encoder
from jaxrestore.parameters import unflatten
from jaxrestore.priors.config import NetworkConfig, channels, sizes
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.gaussian import Gaussian, from_raw
from jaxrestore.priors.hvae.stages import Layer, apply, init
from jaxrestore.priors.hvae.walk import Run
from jaxrestore.pytrees import pytree
from jaxrestore.settings import count, number, static


@dataclass(frozen=True)
class VAEConfig(NetworkConfig):
    """Architecture of a plain convolutional VAE.

    Attributes:
        image_size: side of the images, the only one that the network takes.
        image_channels: 3 for colour, 1 for grey.
        widths: channels after each halving of the sides.
        latent_dim: D, dimension of z ~ N(0, I).
        initial_std: gamma before training, [0, 1] units; it is learned.
    """

    image_size: int = static(64, count())
    image_channels: int = static(1, channels)
    widths: tuple[int, ...] = static((32, 64, 96, 128), sizes)
    latent_dim: int = static(64, count())
    initial_std: float = static(0.2, number(0, above=True))

    num_groups: ClassVar[int] = 1
    unroll: ClassVar[bool] = False

    def __post_init__(self):
        super().__post_init__()
        halvings = len(self.widths)
        if self.image_size % 2**halvings:
            raise InputError(
                f"model.image_size={self.image_size}: expected a multiple of"
                f" {2**halvings}, as each of the {halvings} widths halves it"
            )


@pytree
@dataclass(frozen=True)
class VAE(HierarchicalVAE):
    """A convolutional VAE with its parameters: a pytree, its config static.

    z ~ N(0, I), x | z ~ N(mu(z), gamma^2 I) with one learned gamma, and
    q(z | x) = N(mu(x), diag) (thesis, 4.5 and 4.6). One latent group, (1, 1, D), so
    that whatever takes a hierarchical prior takes this one; JPMAP is made for it.

    All methods take one image (S, S, C), float32 in [0, 1], S = ``config.image_size``;
    ``jax.vmap`` makes batches.
    """

    config: VAEConfig = field(metadata={"static": True})
    log_bins = math.log(256.0)  # p(x | z) is a density on [0, 1]
    standard_normal = True  # p(z)

    @staticmethod
    def init_params(config: VAEConfig, key: jax.Array) -> dict:
        image = (config.image_size, config.image_size, config.image_channels)
        layers = {
            "bottom_up": Layer(_encoder(config), [image]),
            "top_down/decoder": Layer(_decoder(config), [config.latent_dim]),
        }
        log_std = jnp.full((), math.log(config.initial_std), jnp.float32)
        params = init(layers, jax.random.split(key))
        return unflatten(params | {"top_down/log_std": log_std})

    def _inputs(self, image, encoder_noise):
        return jnp.clip(image, 0.0, 1.0)

    def _bottom_up(self, inputs) -> Gaussian:
        """q(z | x)."""
        return from_raw(apply(_encoder(self.config), self.params["bottom_up"], inputs))

    def _runs(self, skips: Gaussian | None, canvas) -> list[Run]:
        """One group with the prior N(0, I); its latent decoded is the stream."""
        params = self.params["top_down"]["decoder"]
        decoder = jax.tree.map(lambda leaf: leaf[None], params)
        shape = (1, 1, self.config.latent_dim)

        def posterior(p, h):
            assert skips is not None
            return skips

        def prior(p, h):
            zero = jnp.zeros(shape, jnp.float32)
            return Gaussian(zero, zero + 1), h

        def merge(p, h, z):
            return apply(_decoder(self.config), p, z.astype(jnp.float32))

        return [Run(decoder, 1, shape, lambda _: (), prior, posterior, merge)]

    def _decode(self, stream) -> Gaussian:
        """Gaussian on [0, 1], its mean in (0, 1), one gamma for all."""
        mean, log_std = jax.nn.sigmoid(stream), self.params["top_down"]["log_std"]
        return Gaussian(mean, jnp.broadcast_to(jnp.exp(log_std), mean.shape))

    def _target(self, image):
        return image

    def _to_unit(self, decoded: Gaussian):
        return decoded.mean, decoded.std


def _encoder(config: VAEConfig) -> Encoder:
    return Encoder(config.widths, config.latent_dim)


def _decoder(config: VAEConfig) -> Decoder:
    side = config.image_size // 2 ** len(config.widths)
    return Decoder(config.widths, config.image_channels, side)
