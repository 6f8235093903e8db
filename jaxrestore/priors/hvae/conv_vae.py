"""VBLE's one-level VAEs: convolutional, with a dense bottleneck, or a ResNet-18."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.nets.conv_vae_blocks import DEPTH, ConvDecoder, ConvEncoder
from jaxrestore.nets.stack import Spec
from jaxrestore.parameters import unflatten
from jaxrestore.priors.config import NetworkConfig, channels
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.gaussian import Gaussian, from_log_std
from jaxrestore.priors.hvae.stages import Layer, apply, init
from jaxrestore.priors.hvae.walk import Run
from jaxrestore.pytrees import pytree
from jaxrestore.settings import choice, count, flag, number, static

FORMS = ("conv", "fcb", "resnet")


@dataclass(frozen=True)
class ConvVAEConfig(NetworkConfig):
    """Architecture of a one-level VAE.

    Attributes:
        form: "conv": z is a map and images have any size; batch normalisation.
            "fcb": z is a vector behind a dense layer; images of `image_size` alone.
            "resnet": likewise, the encoder a ResNet-18 with a 3x3 of stride 2 before
            it and the mean over pixels behind, the decoder its mirror image with
            repeated pixels for strides.
        width: channels within; of "resnet" the first, the last are 8 times as many.
        latents: M, channels of z or its dimension.
        image_size: side of the images that a vector z stands for, a multiple of 16.
        image_channels: 3 for colour, 1 for grey.
        initial_std: gamma before training, [0, 1] units.
        learned_std: gamma is trained with the rest.
        deviation: a second decoder gives the standard deviation of p(x | z).
    """

    form: str = static("conv", choice(*FORMS))
    width: int = static(64, count())
    latents: int = static(128, count())
    image_size: int = static(64, count())
    image_channels: int = static(3, channels)
    initial_std: float = static(1.0, number(0, above=True))
    learned_std: bool = static(True, flag)
    deviation: bool = static(False, flag)

    num_groups: ClassVar[int] = 1
    unroll: ClassVar[bool] = False

    def __post_init__(self):
        super().__post_init__()
        if self.image_size % 2**DEPTH:
            raise InputError(
                f"model.image_size={self.image_size}: expected a multiple of {2**DEPTH}"
            )

    @property
    def dense(self) -> bool:
        """z is a vector."""
        return self.form != "conv"

    @property
    def side(self) -> int:
        """Of the smallest maps of an image of `image_size`."""
        return self.image_size // 2**DEPTH


@pytree
@dataclass(frozen=True)
class ConvVAE(HierarchicalVAE):
    """A one-level VAE with its parameters: a pytree, its config static.

    z ~ N(0, I), q(z | x) = N(mu(x), diag), p(x | z) = N(D(z), gamma^2) with one gamma,
    or with a deviation sigma(z) = exp(second decoder). One latent group, (H/16, W/16,
    M), or (1, 1, M) with a dense bottleneck. D(z) is not bounded.

    All methods take one image (H, W, C) in [0, 1]; "conv" continues it to multiples of
    16 with its border pixels repeated.
    """

    config: ConvVAEConfig = field(metadata={"static": True})
    log_bins = math.log(256.0)
    standard_normal = True  # p(z)

    @staticmethod
    def init_params(config: ConvVAEConfig, key: jax.Array) -> dict:
        side, m = config.side, config.latents
        image = (config.image_size, config.image_size, config.image_channels)
        latent = (1, 1, m) if config.dense else (side, side, m)
        layers = {
            "bottom_up": Layer(_encoder(config), [image]),
            "top_down/decoder": Layer(_decoder(config), [latent]),
        }
        if config.deviation:
            layers["top_down/deviation"] = Layer(_decoder(config), [latent])
        gamma = jnp.full((1,), config.initial_std, jnp.float32)
        params = init(layers, jax.random.split(key, 3))
        return unflatten(params | {"top_down/gamma": gamma})

    def _canvas(self, shape):
        if self.config.dense:
            return super()._canvas(shape)
        multiple = 2**DEPTH
        return -(-shape[0] // multiple) * multiple, -(-shape[1] // multiple) * multiple

    def _inputs(self, image, encoder_noise):
        height, width = image.shape[:2]
        rows, columns = self._canvas((height, width))
        sides = ((0, rows - height), (0, columns - width), (0, 0))
        return jnp.pad(image, sides, mode="edge")

    def _bottom_up(self, inputs) -> Gaussian:
        """q(z | x)."""
        params = self.params["bottom_up"]
        return from_log_std(apply(_encoder(self.config), params, inputs))

    def _runs(self, skips: Gaussian | None, canvas) -> list[Run]:
        """One group with the prior N(0, I); the stream is z itself."""
        rows, columns = (side // 2**DEPTH for side in canvas)
        shape = (rows, columns, self.config.latents)
        if self.config.dense:
            shape = (1, 1, self.config.latents)

        def posterior(p, h):
            assert skips is not None
            return skips

        def prior(p, h):
            zero = jnp.zeros(shape, jnp.float32)
            return Gaussian(zero, zero + 1), h

        gamma = self.params["top_down"]["gamma"]  # of the structure that a run has
        return [Run(gamma, 1, shape, lambda _: (), prior, posterior, lambda p, h, z: z)]

    def _decode(self, stream) -> Gaussian:
        """Gaussian on [0, 1], its mean unbounded."""
        decoder, params = _decoder(self.config), self.params["top_down"]
        mean = apply(decoder, params["decoder"], stream.astype(jnp.float32))
        if self.config.deviation:
            raw = apply(decoder, params["deviation"], stream.astype(jnp.float32))
            return Gaussian(mean, jnp.exp(raw))
        gamma = params["gamma"][0]
        if not self.config.learned_std:
            gamma = jax.lax.stop_gradient(gamma)
        return Gaussian(mean, jnp.broadcast_to(gamma, mean.shape))

    def _target(self, image):
        return image

    def _to_unit(self, decoded: Gaussian):
        return decoded.mean, decoded.std


def layers(config: ConvVAEConfig) -> tuple[Spec, Spec]:
    """Of the encoder and of the decoder, as the released code numbers them."""
    n = config.width
    if config.form == "resnet":
        return _resnet(n, config.image_channels)
    dense = config.dense
    after: Spec = (("leaky", 0),) if dense else (("norm", n), ("leaky", 0))
    last = n if dense else 2 * config.latents
    down = (("halve", n), *after) * (DEPTH - 1) + (("halve", last),)
    up = (("double", n), *after) * (DEPTH - 1) + (("double", config.image_channels),)
    return down, up


def _resnet(n: int, image_channels: int) -> tuple[Spec, Spec]:
    """Four stages of two blocks; all but the first halve, and double on the way up."""
    down: Spec = (("stem", n), ("norm", n), ("relu", 0), ("block", n), ("block", n))
    up: Spec = (("block", n), ("block", n), ("repeat", 0), ("conv", image_channels))
    for features in (2 * n, 4 * n, 8 * n):
        down = (*down, ("block_halve", features), ("block", features))
        up = (("block", features), ("block_double", features // 2), *up)
    return down, up


def _encoder(config: ConvVAEConfig) -> ConvEncoder:
    dense = 2 * config.latents if config.dense else 0
    return ConvEncoder(layers(config)[0], dense, config.form == "resnet")


def _decoder(config: ConvVAEConfig) -> ConvDecoder:
    pooled = config.form == "resnet"
    first = (config.side, config.side, config.width * (8 if pooled else 1))
    return ConvDecoder(layers(config)[1], first if config.dense else None, pooled)
