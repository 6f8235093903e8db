"""Convolutions that halve or double the sides, padded as in torch.

All are written as what is fast on a CPU, forward and backward: a convolution of
stride 1 on blocks of 2x2 pixels.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrestore.nets.convolution import same_convolution
from jaxrestore.nets.layers import (
    Initializer,
    depth_to_space,
    space_to_depth,
    torch_uniform,
)


def halve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Correlation of stride 2 after zero padding of k // 2.

    Args:
        x: (H, W, C), even sides.
        kernel: (k, k, C, F), k = 3 or 5.

    Returns:
        (H / 2, W / 2, F), the i-th output centred on pixel 2 i.
    """
    before = 2 - kernel.shape[0] // 2  # to taps -2 ... 3 about pixel 2 i
    after = 6 - before - kernel.shape[0]
    taps = jnp.pad(kernel, ((before, after), (before, after), (0, 0), (0, 0)))
    inputs, outputs = kernel.shape[2:]
    taps = taps.reshape(3, 2, 3, 2, inputs, outputs).transpose(0, 2, 1, 3, 4, 5)
    blocks = space_to_depth(x, 2)
    return same_convolution(blocks[None], taps.reshape(3, 3, 4 * inputs, outputs))[0]


def double(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution of stride 2 with padding 2 and output padding 1.

    Args:
        x: (H, W, C).
        kernel: (5, 5, C, F); tap t of x's pixel i adds to output pixel 2 i + t - 2.

    Returns:
        (2 H, 2 W, F).
    """
    inputs, outputs = kernel.shape[2:]
    # Output 2 i + p takes x's pixel i + d through tap p + 2 - 2 d.
    taps = jnp.pad(jnp.flip(kernel, (0, 1)), ((0, 1), (0, 1), (0, 0), (0, 0)))
    taps = taps.reshape(3, 2, 3, 2, inputs, outputs)
    # Flipped tap 4 - t = 2 (d + 1) - p: phase 0 as it is, phase 1 one row further on.
    rows = jnp.stack([taps[:, 0], jnp.roll(taps[:, 1], 1, 0)])
    both = jnp.stack([rows[:, :, :, 0], jnp.roll(rows[:, :, :, 1], 1, 2)])
    blocks = both.transpose(2, 3, 4, 1, 0, 5).reshape(3, 3, inputs, 4 * outputs)
    return depth_to_space(same_convolution(x[None], blocks)[0], 2)


def _fan_in(size: int, channels: int) -> Initializer:
    return torch_uniform(size * size * channels)


class Halving(nn.Module):
    """k x k convolution of stride 2: (H, W, C) -> (H/2, W/2, features)."""

    features: int
    size: int = 5

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.size, self.size, x.shape[-1], self.features)
        start = _fan_in(self.size, x.shape[-1])
        kernel = self.param("kernel", start, shape, jnp.float32)
        bias = self.param("bias", start, (self.features,), jnp.float32)
        return halve(x, kernel.astype(x.dtype)) + bias.astype(x.dtype)


class Doubling(nn.Module):
    """5x5 transposed convolution: (H, W, C) -> (2H, 2W, features)."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (5, 5, x.shape[-1], self.features)
        start = _fan_in(5, self.features)  # as torch counts it
        kernel = self.param("kernel", start, shape, jnp.float32)
        bias = self.param("bias", start, (self.features,), jnp.float32)
        return double(x, kernel.astype(x.dtype)) + bias.astype(x.dtype)
