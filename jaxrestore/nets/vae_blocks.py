"""Encoder and decoder of a plain VAE: halving and doubling convolutions."""

import flax.linen as nn
import jax

from jaxrestore.nets.layers import (
    Convolution,
    Pointwise,
    depth_to_space,
    scaled_xavier,
    space_to_depth,
)


class Encoder(nn.Module):
    """(H, W, C) to raw statistics of q(z | x), (1, 1, 2 D).

    Each width halves the sides: 2x2 pixels become channels, then a 3x3 convolution
    (6x6 pixels with stride 2) and ELU. A dense layer sees all that is left.
    """

    widths: tuple[int, ...]
    latent_dim: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, width in enumerate(self.widths):
            x = Convolution(width, name=f"conv_{i}")(space_to_depth(x, 2))
            x = nn.elu(x)
        return Pointwise(2 * self.latent_dim, name="dense")(x.reshape(1, 1, -1))


class Decoder(nn.Module):
    """z (1, 1, D) to (H, W, C), unbounded: the encoder's layers the other way round."""

    widths: tuple[int, ...]
    image_channels: int
    side: int  # of the smallest feature maps

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        side, last = self.side, self.widths[-1]
        x = Pointwise(side * side * last, scaled_xavier(), name="dense")(z)
        x = nn.elu(x.reshape(side, side, last))
        for i in reversed(range(len(self.widths))):
            below = self.widths[i - 1] if i else self.image_channels
            x = depth_to_space(Convolution(4 * below, name=f"conv_{i}")(x), 2)
            x = nn.elu(x) if i else x
        return x
