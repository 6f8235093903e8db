"""Compressive autoencoders as priors of images."""

import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
from jax.core import Tracer

from jaxrestore.errors import InputError
from jaxrestore.nets.context import Context
from jaxrestore.nets.stack import Stack
from jaxrestore.priors.base import Reconstruction
from jaxrestore.priors.cae import density
from jaxrestore.priors.cae.config import CAEConfig, layers
from jaxrestore.priors.cae.density import Boxed
from jaxrestore.priors.cae.walk import walk
from jaxrestore.pytrees import pytree

_FINE, _COARSE = 16, 64  # pixels to a position of z, of h
SMALLEST_STD = 2e-4


class Coded(NamedTuple):
    """An image through the bottleneck.

    Attributes:
        mean: (H, W, C) decoded.
        latents: h and z as decoded.
        bits: (2,) of h and of z.
        std: (H, W, C) or () of p(x | z).
    """

    mean: jax.Array
    latents: tuple[jax.Array, jax.Array]
    bits: jax.Array
    std: jax.Array


@pytree
@dataclass(frozen=True)
class CAE:
    """A compressive autoencoder with its parameters: a pytree, its config static.

    As a variational autoencoder (Balle et al. 2018): q(z, h | x) is uniform on unit
    boxes about the encoding; p(h) is factorised; p(z | h) = N(mu(h), sigma(h)^2)
    convolved with the unit box; p(x | z) = N(D(z), gamma^2 I) with the gamma of
    `CAEConfig.gamma`, or with a deviation that a second decoder predicts. Two
    latent groups, h (H/64, W/64, N) and z (H/16, W/16, M).

    Images (H, W, C) in [0, 1] of any size: they are continued to multiples of 64, with
    their border pixels repeated, and the latents belong to the continued image.

    Attributes:
        params: nested dicts of arrays.
        config: the architecture.
        rate: lambda, within `config.rates`; None: the largest. See `at_rate`.
    """

    params: dict
    config: CAEConfig = field(metadata={"static": True})
    rate: Any = None

    box = True  # q(z | x) is uniform

    @classmethod
    def create(cls, config: CAEConfig, key: jax.Array) -> Self:
        """A network with fresh random weights."""
        init = jax.jit(cls.init_params, static_argnums=0)
        return cls(init(config, key), config)

    @staticmethod
    def init_params(config: CAEConfig, key: jax.Array) -> dict:
        specs, (n, m) = layers(config), (config.width, config.latents)
        keys = iter(jax.random.split(key, 8))

        def start(spec, inputs):
            return Stack(spec).init(next(keys), jnp.zeros((4, 4, inputs)))["params"]

        params = {
            "analysis": Stack(specs.analysis).init(
                next(keys), jnp.zeros((16, 16, config.image_channels))
            )["params"],
            "synthesis": start(specs.synthesis, m),
            "hyper_analysis": start(specs.hyper_analysis, m),
            "hyper_synthesis": start(specs.hyper_synthesis, n),
            "density": density.init(n, next(keys)),
        }
        if config.context:
            context = Context(2 * m).init(next(keys), jnp.zeros((5, 5, m)))
            params["context"] = context["params"]
            params["parameters"] = start(specs.parameters, 4 * m)
        if config.deviation:
            params["deviation"] = start(specs.synthesis, m)
        if len(config.rates) > 1:
            # A finer grid, thus more bits, where the distortion weighs more.
            steps = jnp.asarray(config.rates, jnp.float32) / config.rates[-1]
            gains = jnp.broadcast_to(0.25 * jnp.log(steps)[:, None], (len(steps), m))
            params["gains"] = {"encoder": gains, "decoder": -gains}
        return params

    def at_rate(self, rate: float) -> Self:
        """The same for another lambda, between those of `config.rates`.

        Raises:
            InputError: it was not trained for that.
        """
        low, high = self.config.rates[0], self.config.rates[-1]
        slack = 1 + 1e-6  # single precision of the ends
        if isinstance(rate, Tracer) or low / slack <= rate <= high * slack:
            return replace(self, rate=rate)
        wanted = f"{low:g}" if low == high else f"from {low:g} to {high:g}"
        raise InputError(
            f"rate={float(rate):g}: expected {wanted}, as this autoencoder was trained;"
            " take such a rate or other weights"
        )

    @property
    def num_groups(self) -> int:
        """2: h and z."""
        return 2

    def encode(self, image: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The middle of q(z, h | x): h and z of an image (H, W, C)."""
        height, width, channels = image.shape
        if channels != self.config.image_channels:
            raise InputError(
                f"image has {channels} channels; this autoencoder takes"
                f" {self.config.image_channels}"
            )
        rows, columns = (side * _COARSE for side in _places(height, width))
        sides = ((0, rows - height), (0, columns - width), (0, 0))
        z = self.run("analysis", jnp.pad(image, sides, mode="edge"))
        z = z * self._gain("encoder")
        return self.hyper_encode(z), z

    def hyper_encode(self, z: jax.Array) -> jax.Array:
        """The middle of q(h | z)."""
        seen = jnp.abs(z) if self.config.kind == "scale" else z
        return self.run("hyper_analysis", seen)

    def at(self, latents: Any, shape: tuple[int, int]) -> Reconstruction:
        """p(x | z), and log p(h), log p(z | h) in nats, at h and z.

        Args:
            latents: h and z, of the continued image.
            shape: (H, W) of the image.
        """
        h, z = latents
        mean, std = self.decode(z, shape)
        log_z = self.conditional(h, z).log_prob(z)
        log_prior = jnp.stack([density.log_prob(self.params["density"], h), log_z])
        whole = jnp.broadcast_to(std, mean.shape).astype(mean.dtype)
        return Reconstruction(mean, whole, (h, z), log_prior)

    def decode(self, z: jax.Array, shape: tuple[int, int]) -> tuple[jax.Array, Any]:
        """D(z), (H, W, C), unbounded; deviation of p(x | z), (H, W, C) or ()."""
        z = z * self._gain("decoder")
        crop = (slice(shape[0]), slice(shape[1]))
        mean = self.run("synthesis", z)[crop]
        if not self.config.deviation:
            return mean, self.decoder_std()
        raw = self.run("synthesis", z, params="deviation")[crop]
        return mean, jax.nn.sigmoid(raw) + SMALLEST_STD

    def decoder_std(self) -> Any:
        """gamma of the rate, see `CAEConfig.gamma`."""
        rate = self.config.rates[-1] if self.rate is None else self.rate
        return self.config.gamma(1.0) / jnp.sqrt(jnp.asarray(rate, jnp.float32))

    def conditional(self, h: jax.Array, z: jax.Array) -> Boxed:
        """p(z | h), or of its factors p(z_i | z_<i, h), at z."""
        seen = self.run("hyper_synthesis", h)
        if self.config.context:
            weights = {"params": self.params["context"]}
            context: Any = Context(2 * self.config.latents).apply(weights, z)
            seen = self.run("parameters", jnp.concatenate([seen, context], -1))
        return self.boxed(seen)

    def prior_mean(self, shape: tuple[int, int]) -> Reconstruction:
        """Where h is the median of p(h) and z the mean of p(z | h)."""
        size = (*_places(*shape), self.config.width)
        h = jnp.broadcast_to(density.median(self.params["density"]), size)
        z = walk(self, h, lambda boxed, _: boxed.mean, jax.random.key(0))
        return self.at((h, z), shape)

    def sample(self, key: jax.Array, shape: tuple[int, int]) -> jax.Array:
        """D(z) of a draw of p(h) p(z | h), (H, W, C)."""
        for_h, for_z = jax.random.split(key)
        size = (*_places(*shape), self.config.width)
        h = density.sample(self.params["density"], for_h, size)
        return self.decode(walk(self, h, Boxed.sample, for_z), shape)[0]

    def code(self, image: jax.Array, noise: Any = None) -> Coded:
        """An image through the bottleneck, and its bits.

        Args:
            image: (H, W, C).
            noise: None: latents are rounded as CompressAI does (with a context, what
                is decoded is rounded without the mean). Or three arrays uniform on
                +-1/2, for h, for z, and for z where its bits are counted.
        """
        h, z = self.encode(image)
        params = self.params["density"]
        if noise is not None:
            h, decoded, counted = h + noise[0], z + noise[1], z + noise[2]
            boxed = self.conditional(h, decoded)
        else:
            middle = density.median(params)
            h = jnp.round(h - middle) + middle
            decoded = jnp.round(z)
            boxed = self.conditional(h, decoded)
            counted = jnp.round(z - boxed.mean) + boxed.mean
            decoded = decoded if self.config.context else counted
        nats = jnp.stack([density.log_prob(params, h), boxed.log_prob(counted)])
        height, width, _ = image.shape
        mean, std = self.decode(decoded, (height, width))
        return Coded(mean, (h, decoded), -nats / math.log(2), std)

    def noise(self, key: jax.Array, shape: tuple[int, int]) -> tuple[jax.Array, ...]:
        """Two independent draws for z, one for h, as `code` takes them."""
        rows, columns = _places(*shape)
        fine = (_COARSE // _FINE) * rows, (_COARSE // _FINE) * columns
        sizes = (rows, columns, self.config.width), *[(*fine, self.config.latents)] * 2
        keys = jax.random.split(key, 3)
        return tuple(
            jax.random.uniform(k, size, jnp.float32, -0.5, 0.5)
            for k, size in zip(keys, sizes, strict=True)
        )

    def bits_per_pixel(self, image: jax.Array) -> jax.Array:
        """Of the rounded code of an image, ()."""
        return self.code(image).bits.sum() / math.prod(image.shape[:2])

    def run(self, stack: str, x: jax.Array, params: str = "") -> jax.Array:
        """x through a stack of `config.Layers`, with parameters of another name."""
        spec = getattr(layers(self.config), stack)
        chosen = {"params": self.params[params or stack]}
        return Stack(spec).apply(chosen, x)  # type: ignore[return-value]

    def boxed(self, raw: jax.Array) -> Boxed:
        """p(z | h) from what the network says of it."""
        if self.config.kind == "scale":
            return Boxed(jnp.zeros_like(raw), raw)
        scale, mean = jnp.split(raw, 2, axis=-1)
        return Boxed(mean, scale)

    def _gain(self, side: str) -> Any:
        """(M,) of the rate; between two of the trained ones geometrically."""
        if "gains" not in self.params:
            return 1.0
        table, rates = self.params["gains"][side], self.config.rates
        if self.rate is None:
            return jnp.exp(table[-1])
        at = jnp.log(jnp.asarray(self.rate, jnp.float32))
        known = jnp.log(jnp.asarray(rates, jnp.float32))
        place = jnp.interp(at, known, jnp.arange(len(rates), dtype=jnp.float32))
        weights = jnp.maximum(1 - jnp.abs(place - jnp.arange(len(rates))), 0)
        return jnp.exp(weights @ table)


def _places(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of h for an image of this size."""
    return -(-height // _COARSE), -(-width // _COARSE)
