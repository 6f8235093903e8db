"""The blocks of VDVAE's two paths, free of any probability."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxrestore.nets.layers import Convolution, Pointwise, torch_uniform


@jax.custom_vjp
def gelu(x: jax.Array) -> jax.Array:
    """x Phi(x), exact: Phi is the normal distribution function.

    ``jax.nn.gelu`` takes the slower erfc; and XLA on a CPU computes the derivative
    again for each of its uses unless a barrier holds it, a third of a training step.
    """
    return x * _normal_cdf(x)


def _normal_cdf(x):
    return 0.5 * (1.0 + lax.erf(x * jnp.asarray(0.5**0.5, x.dtype)))


def _gelu_backward(x, gradient):
    x, gradient = lax.optimization_barrier((x, gradient))
    density = jnp.exp(-0.5 * x * x) * jnp.asarray((2.0 * jnp.pi) ** -0.5, x.dtype)
    return (lax.optimization_barrier(gradient * (_normal_cdf(x) + x * density)),)


gelu.defvjp(lambda x: (gelu(x), x), _gelu_backward)


class Block(nn.Module):
    """Bottleneck of four convolutions after GELUs: (H, W, C) -> (H, W, features).

    1x1 to ``bottleneck`` channels, two k x k, 1x1 to ``features``; the input is added
    when ``residual``. The last weights start ``output_scale`` times torch's default.
    """

    features: int
    bottleneck: int
    size: int = 3
    residual: bool = False
    output_scale: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inner, size = self.bottleneck, self.size
        square = torch_uniform(inner * size**2)
        last = torch_uniform(inner, self.output_scale)
        h = Pointwise(inner, torch_uniform(x.shape[-1]), name="c1")(gelu(x))
        h = Convolution(inner, size, square, name="c2")(gelu(h))
        h = Convolution(inner, size, square, name="c3")(gelu(h))
        h = Pointwise(self.features, last, name="c4")(gelu(h))
        return x + h if self.residual else h


class DecoderBlock(nn.Module):
    """One latent group at one resolution, as the three moves of the top-down walk.

    Attributes:
        width: channels of the stream.
        latent_channels: channels of the latent.
        bottleneck: inner channels of every block.
        size: side of the kernels.
        output_scale: initial scale of what the group adds to the stream.
    """

    width: int
    latent_channels: int
    bottleneck: int
    size: int
    output_scale: float

    def setup(self):
        block = partial(Block, bottleneck=self.bottleneck, size=self.size)
        statistics = 2 * self.latent_channels
        self.enc = block(statistics)
        self.prior_block = block(statistics + self.width, output_scale=0.0)
        self.z_proj = Pointwise(
            self.width, torch_uniform(self.latent_channels, self.output_scale)
        )
        self.resnet = block(self.width, residual=True, output_scale=self.output_scale)

    def prior(self, h: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(H, W, F) -> raw statistics (H, W, 2Z) and the residual (H, W, F)."""
        out = self.prior_block(h)
        return out[..., : 2 * self.latent_channels], out[..., -self.width :]

    def posterior(self, h: jax.Array, skip: jax.Array) -> jax.Array:
        """Stream before the prior's residual, skip (H, W, F) -> raw (H, W, 2Z)."""
        return self.enc(jnp.concatenate([h, skip], axis=-1))

    def merge(self, h: jax.Array, z: jax.Array) -> jax.Array:
        """Add the projected latent and run the residual block."""
        return self.resnet(h + self.z_proj(z))

    def __call__(self, h, skip, z):
        """Touch every parameter once; used only to initialise."""
        raw_prior, residual = self.prior(h)
        return self.merge(h + residual, z), raw_prior + self.posterior(h, skip)


class Head(nn.Module):
    """Channelwise gain and bias, then 1x1: (H, W, C) -> (H, W, features)."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        gain = self.param("gain", nn.initializers.ones, (width,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (width,), jnp.float32)
        x = x * gain.astype(x.dtype) + bias.astype(x.dtype)
        return Pointwise(self.features, torch_uniform(width), name="out_conv")(x)
