"""Encoder and decoder of VBLE's one-level VAEs."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrestore.nets.layers import Pointwise, torch_uniform
from jaxrestore.nets.stack import Spec, Stack, leaky

DEPTH = 4  # halvings


class ConvEncoder(nn.Module):
    """(H, W, C) to raw statistics of q(z | x): mean and log deviation, 2 M channels.

    (H/16, W/16, 2M), or (1, 1, 2M) with a dense layer at the end, of the whole map or,
    with `pooled`, of its mean.
    """

    layers: Spec
    dense: int  # 2 M, or 0: no such layer
    pooled: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Stack(self.layers, name="layers")(x)
        if not self.dense:
            return x
        mean = x.mean((0, 1), keepdims=True)
        flat = mean if self.pooled else leaky(x).reshape(1, 1, -1)
        start = torch_uniform(flat.shape[-1])
        return Pointwise(self.dense, start, name="bottleneck")(flat)


class ConvDecoder(nn.Module):
    """z to (H, W, C), unbounded: the encoder's layers the other way round."""

    layers: Spec
    dense: tuple[int, int, int] | None  # of the first map behind a dense layer
    pooled: bool = False

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        if self.dense:
            rows, columns, channels = self.dense
            outputs = channels if self.pooled else rows * columns * channels
            start = torch_uniform(z.shape[-1])
            flat = Pointwise(outputs, start, name="first")(z)
            if self.pooled:
                z = jnp.broadcast_to(flat, self.dense)
            else:
                z = leaky(flat).reshape(rows, columns, channels)
        return Stack(self.layers, name="layers")(z)
