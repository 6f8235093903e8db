"""Layers of normalising flows: squeezing, coupling networks, zero convolutions.

Unlike other layers these take batches of maps, (N, H, W, C): training differentiates
with respect to the parameters through a rule of its own (`flow_steps`), which under
`jax.vmap` would make a gradient for each image. Convolutions are written as dense
products, whose gradients are fast inside loops on a CPU, too.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

_GAUSSIAN = nn.initializers.normal(0.05)
_SIZE = 3


def squeeze(x: jax.Array) -> jax.Array:
    """(N, H, W, C) -> (N, H/2, W/2, 4C), channel 4c + 2dy + dx."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height // 2, 2, width // 2, 2, channels)
    x = x.transpose(0, 1, 3, 5, 2, 4)
    return x.reshape(count, height // 2, width // 2, 4 * channels)


def unsqueeze(x: jax.Array) -> jax.Array:
    """Inverse of `squeeze`."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height, width, channels // 4, 2, 2)
    x = x.transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(count, 2 * height, 2 * width, channels // 4)


def dense_convolution(x: jax.Array, kernel: jax.Array, fill: float = 0.0) -> jax.Array:
    """Correlation of (N, H, W, C) with (3, 3, C, F) after padding by `fill`.

    One product, of gathered neighbours where the inputs are fewer than the outputs,
    else before the sum over the neighbours.
    """
    _, height, width, channels = x.shape
    features = kernel.shape[-1]
    sides = ((0, 0), (1, 1), (1, 1), (0, 0))
    x = jnp.pad(x, sides, constant_values=fill)
    places = [(dy, dx) for dy in range(_SIZE) for dx in range(_SIZE)]

    def shifted(maps, dy, dx):
        return maps[:, dy : dy + height, dx : dx + width]

    if channels <= features:
        near = jnp.concatenate([shifted(x, *place) for place in places], -1)
        return near @ kernel.reshape(-1, features)
    columns = kernel.transpose(2, 0, 1, 3).reshape(channels, -1)
    parts = jnp.split(x @ columns, len(places), -1)
    moved = [shifted(p, *place) for p, place in zip(parts, places, strict=True)]
    return jnp.stack(moved).sum(0)


class ZeroConvolution(nn.Module):
    """3x3 after padding by ones, times exp(3 scale); zero at the start."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        zeros, shape = nn.initializers.zeros, (_SIZE, _SIZE, x.shape[-1], self.features)
        kernel = self.param("kernel", zeros, shape, jnp.float32)
        bias = self.param("bias", zeros, shape[3:], jnp.float32)
        scale = self.param("scale", zeros, shape[3:], jnp.float32)
        out = dense_convolution(x, kernel.astype(x.dtype), 1.0) + bias.astype(x.dtype)
        return out * jnp.exp(3 * scale).astype(x.dtype)


class CouplingNet(nn.Module):
    """3x3, ReLU, 1x1, ReLU, zero convolution: (N, H, W, C) -> (N, H, W, features)."""

    width: int
    features: int
    compute_dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        h = x.astype(self.compute_dtype)
        kernel, bias = self._affine("first", (_SIZE, _SIZE, x.shape[-1], self.width))
        h = nn.relu(dense_convolution(h, kernel) + bias)
        kernel, bias = self._affine("second", (self.width, self.width))
        h = nn.relu(h @ kernel + bias)
        return ZeroConvolution(self.features, name="last")(h).astype(x.dtype)

    def _affine(self, name: str, shape: tuple[int, ...]) -> list[jax.Array]:
        kernel = self.param(f"{name}_kernel", _GAUSSIAN, shape, jnp.float32)
        zeros = nn.initializers.zeros
        bias = self.param(f"{name}_bias", zeros, shape[-1:], jnp.float32)
        return [leaf.astype(self.compute_dtype) for leaf in (kernel, bias)]
