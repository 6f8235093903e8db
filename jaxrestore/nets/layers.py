"""Convolutions and resampling on one feature map.

Every layer maps a feature map ``(H, W, C)`` to another; ``jax.vmap`` makes batches
(XLA folds the mapped axis into the convolution's batch dimension, so nothing is
lost). Parameters are kept in float32 and cast to the compute dtype of the input.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrestore.nets.convolution import same_convolution

LEAKY_SLOPE = 0.1  # of the published PatchVDVAE; the JAX default is 0.01

Initializer = Callable[..., jax.Array]


def torch_uniform(fan_in: int, scale: float = 1.0) -> Initializer:
    """Uniform on [-b, b], b = scale / sqrt(fan_in); torch layers have scale 1."""
    bound = scale * fan_in**-0.5

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def scaled_xavier(scale: float = 1.0) -> Initializer:
    """Xavier-uniform weights times ``scale``."""
    return nn.initializers.variance_scaling(scale**2, "fan_avg", "uniform")


class Pointwise(nn.Module):
    """1x1 convolution as a dense product: (H, W, C) -> (H, W, features).

    ``lax.conv_general_dilated`` runs a 1x1 kernel at a third of the speed of the
    same product on a CPU.
    """

    features: int
    kernel_init: Initializer = scaled_xavier()
    bias_init: Initializer = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        bias = self.param("bias", self.bias_init, shape[1:], jnp.float32)
        return x @ kernel.astype(x.dtype) + bias.astype(x.dtype)


class Convolution(nn.Module):
    """k x k convolution, k odd, zero padding: (H, W, C) -> (H, W, features)."""

    features: int
    size: int = 3
    kernel_init: Initializer = scaled_xavier()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        if self.size == 1:
            return Pointwise(self.features, self.kernel_init, name="pointwise")(x)
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        out = same_convolution(x[None], kernel.astype(x.dtype))[0]
        return out + bias.astype(x.dtype)


class ResidualCell(nn.Module):
    """Bottleneck of four convolutions after SiLUs: (H, W, C) -> (H, W, features).

    1x1 to ``bottleneck`` channels, two k x k, 1x1 to ``features``; the input is added
    when ``residual``. The last weights start ``output_scale`` times smaller, so that
    a deep stack begins near the identity.
    """

    features: int
    bottleneck: int
    size: int = 3
    residual: bool = False
    output_scale: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        uniform = torch_uniform(x.shape[-1])
        h = Pointwise(self.bottleneck, uniform, uniform, name="reduce")(nn.silu(x))
        h = Convolution(self.bottleneck, self.size, name="conv_0")(nn.silu(h))
        h = Convolution(self.bottleneck, self.size, name="conv_1")(nn.silu(h))
        last = scaled_xavier(self.output_scale)
        h = Pointwise(self.features, last, name="expand")(nn.silu(h))
        return x + h if self.residual else h


def space_to_depth(x: jax.Array, factor: int) -> jax.Array:
    """Gather factor x factor blocks into channels: (H, W, C) -> (H/f, W/f, f*f*C)."""
    height, width, channels = x.shape
    x = x.reshape(height // factor, factor, width // factor, factor, channels)
    x = x.transpose(0, 2, 1, 3, 4)
    return x.reshape(height // factor, width // factor, factor * factor * channels)


def depth_to_space(x: jax.Array, factor: int) -> jax.Array:
    """Inverse of :func:`space_to_depth`: (H, W, f*f*C) -> (H*f, W*f, C)."""
    height, width, channels = x.shape
    channels //= factor * factor
    x = x.reshape(height, width, factor, factor, channels).transpose(0, 2, 1, 3, 4)
    return x.reshape(height * factor, width * factor, channels)


def upsample_nearest(x: jax.Array, factor: int) -> jax.Array:
    """Repeat every pixel factor x factor times: (H, W, C) -> (H*f, W*f, C)."""
    height, width, channels = x.shape
    x = jnp.broadcast_to(x[:, None, :, None], (height, factor, width, factor, channels))
    return x.reshape(height * factor, width * factor, channels)


def average_pool(x: jax.Array, factor: int) -> jax.Array:
    """Mean of every factor x factor block: (H, W, C) -> (H/f, W/f, C)."""
    height, width, channels = x.shape
    blocks = (height // factor, factor, width // factor, factor, channels)
    return x.reshape(blocks).mean((1, 3))


class Pool(nn.Module):
    """Convolution with kernel = stride, then LeakyReLU: (H, W, C) -> (H/s, W/s, F)."""

    features: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Pointwise(self.features, name="blocks")(space_to_depth(x, self.stride))
        return nn.leaky_relu(x, LEAKY_SLOPE)


class Unpool(nn.Module):
    """1x1, LeakyReLU, nearest upsampling, channel bias: (H, W, C) -> (sH, sW, F)."""

    features: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.leaky_relu(Pointwise(self.features, name="pointwise")(x), LEAKY_SLOPE)
        zeros, shape = nn.initializers.zeros, (self.features,)
        bias = self.param("scale_bias", zeros, shape, jnp.float32)
        return upsample_nearest(x, self.stride) + bias.astype(x.dtype)
