"""Layers of convolutional autoencoders, one after the other from a list of names."""

import flax.linen as nn
import jax

from jaxrestore.nets import resnet
from jaxrestore.nets.gdn import GDN
from jaxrestore.nets.layers import (
    Convolution,
    Pointwise,
    depth_to_space,
    torch_uniform,
    upsample_nearest,
)
from jaxrestore.nets.norm import Norm
from jaxrestore.nets.strided import Doubling, Halving

LEAKY_SLOPE = 0.01

Spec = tuple[tuple[str, int], ...]  # (name in LAYERS, features)


def leaky(x: jax.Array) -> jax.Array:
    """LeakyReLU with torch's slope, 0.01."""
    return nn.leaky_relu(x, LEAKY_SLOPE)


class Conv(nn.Module):
    """k x k convolution: (H, W, C) -> (H, W, features), torch's initial weights."""

    features: int
    size: int = 3

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        start = torch_uniform(self.size**2 * x.shape[-1])
        return Convolution(self.features, self.size, start, name="conv")(x)


class Shuffle(nn.Module):
    """3x3 convolution, then 2x2 blocks of its channels: -> (2H, 2W, features)."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return depth_to_space(Conv(4 * self.features, name="blocks")(x), 2)


class Residual(nn.Module):
    """Two 3x3 convolutions with LeakyReLU, plus the input: (H, W, C) to same."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        h = leaky(Conv(self.features, name="conv1")(x))
        return x + leaky(Conv(self.features, name="conv2")(h))


class ResidualHalving(nn.Module):
    """3x3 of stride 2, LeakyReLU, 3x3, GDN, plus every other pixel's 1x1."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        h = leaky(Halving(self.features, 3, name="conv1")(x))
        h = GDN(name="gdn")(Conv(self.features, name="conv2")(h))
        start = torch_uniform(x.shape[-1])
        return h + Pointwise(self.features, start, name="skip")(x[::2, ::2])


class ResidualDoubling(nn.Module):
    """Shuffled 3x3, LeakyReLU, 3x3, inverse GDN, plus another shuffled 3x3."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        h = leaky(Shuffle(self.features, name="subpel_conv")(x))
        h = GDN(True, name="igdn")(Conv(self.features, name="conv")(h))
        return h + Shuffle(self.features, name="upsample")(x)


class Bottleneck(nn.Module):
    """ReLU(x + 1x1(ReLU 3x3(ReLU 1x1 x))) with half the channels inside."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        half = self.features // 2
        h = nn.relu(Conv(half, 1, name="conv0")(x))
        h = nn.relu(Conv(half, name="conv2")(h))
        return nn.relu(x + Conv(self.features, 1, name="conv4")(h))


class Attention(nn.Module):
    """x + a(x) sigmoid(b(x)), three bottlenecks each, b with a 1x1 after them."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        a = b = x
        for i in range(3):
            a = Bottleneck(self.features, name=f"a{i}")(a)
            b = Bottleneck(self.features, name=f"b{i}")(b)
        return x + a * nn.sigmoid(Conv(self.features, 1, name="b3")(b))


LAYERS = {
    "conv": Conv,
    "dense": lambda features, name: Conv(features, 1, name=name),
    "halve": Halving,
    "halve3": lambda features, name: Halving(features, 3, name=name),
    "double": Doubling,
    "shuffle": Shuffle,
    "norm": lambda _, name: Norm(name=name),
    "gdn": lambda _, name: GDN(name=name),
    "igdn": lambda _, name: GDN(True, name=name),
    "residual": Residual,
    "residual_halve": ResidualHalving,
    "residual_double": ResidualDoubling,
    "attention": Attention,
    "stem": lambda features, name: resnet.Plain(features, halving=True, name=name),
    "block": resnet.Block,
    "block_halve": lambda features, name: resnet.Block(features, True, name=name),
    "block_double": resnet.Doubling,
}
FIXED = {  # without parameters
    "relu": nn.relu,
    "leaky": leaky,
    "repeat": lambda x: upsample_nearest(x, 2),
}


class Stack(nn.Module):
    """(H, W, C) through the layers of a `Spec`; the i-th one's name is layer_i."""

    layers: Spec

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, (kind, features) in enumerate(self.layers):
            if kind in FIXED:
                x = FIXED[kind](x)
            else:
                x = LAYERS[kind](features, name=f"layer_{i}")(x)
        return x
