"""Convolutional stacks of ImageNet classifiers, whose features LPIPS compares.

AlexNet (Krizhevsky 2014, one tower), VGG16 (Simonyan and Zisserman 2014) and
SqueezeNet 1.1 (Iandola et al. 2016), up to their last feature map, as torchvision
numbers their layers: layer i of ours carries the weights of its ``features.i``.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp


class Conv(NamedTuple):
    """size x size convolution with zero padding, then ReLU."""

    features: int
    size: int = 3
    stride: int = 1
    padding: int = 1


class Pool(NamedTuple):
    """Maximum over size x size; `ceil` keeps a last, incomplete window."""

    size: int
    ceil: bool = False


class Fire(NamedTuple):
    """1x1 to `squeeze` channels, then 1x1 and 3x3 side by side, ReLU after each."""

    squeeze: int
    expand: int


class Layer(NamedTuple):
    """A layer, its torchvision number, and whether LPIPS looks at its result."""

    index: int
    spec: Conv | Pool | Fire
    tap: bool = False


_ALEX = (
    Layer(0, Conv(64, 11, 4, 2), True),
    Layer(2, Pool(3)),
    Layer(3, Conv(192, 5, 1, 2), True),
    Layer(5, Pool(3)),
    Layer(6, Conv(384), True),
    Layer(8, Conv(256), True),
    Layer(10, Conv(256), True),
)
_SQUEEZE = (
    Layer(0, Conv(64, 3, 2, 0), True),
    Layer(2, Pool(3, ceil=True)),
    Layer(3, Fire(16, 64)),
    Layer(4, Fire(16, 64), True),
    Layer(5, Pool(3, ceil=True)),
    Layer(6, Fire(32, 128)),
    Layer(7, Fire(32, 128), True),
    Layer(8, Pool(3, ceil=True)),
    Layer(9, Fire(48, 192), True),
    Layer(10, Fire(48, 192), True),
    Layer(11, Fire(64, 256), True),
    Layer(12, Fire(64, 256), True),
)


def _vgg16() -> tuple[Layer, ...]:
    layers, index = [], 0
    for features, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for i in range(count):
            layers.append(Layer(index, Conv(features), tap=i == count - 1))
            index += 2
        layers.append(Layer(index, Pool(2)))
        index += 1
    return tuple(layers[:-1])


STACKS: dict[str, tuple[Layer, ...]] = {
    "alex": _ALEX,
    "squeeze": _SQUEEZE,
    "vgg": _vgg16(),
}


def tap_channels(name: str) -> tuple[int, ...]:
    """Channels of the feature maps of a stack, in order."""
    specs: list[Any] = [layer.spec for layer in STACKS[name] if layer.tap]
    return tuple(2 * s.expand if isinstance(s, Fire) else s.features for s in specs)


class Stack(nn.Module):
    """One of `STACKS`: a normalised image (H, W, 3) to its feature maps.

    Returns one (h_i, w_i, c_i) for each layer with a tap, after its ReLU.
    """

    name_of_stack: str

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, ...]:
        taps = []
        for index, spec, tap in STACKS[self.name_of_stack]:
            name = f"features_{index}"
            if isinstance(spec, Conv):
                x = nn.relu(_convolution(*spec, name=name)(x))
            elif isinstance(spec, Fire):
                x = _Fire(*spec, name=name)(x)
            else:
                x = _max_pool(x, spec.size, spec.ceil)
            if tap:
                taps.append(x)
        return tuple(taps)


def _convolution(
    features: int, size: int, stride: int = 1, padding: int = 0, *, name: str
) -> nn.Conv:
    start = nn.initializers.he_normal()
    sides = (size, size)
    return nn.Conv(features, sides, stride, padding, kernel_init=start, name=name)


class _Fire(nn.Module):
    squeeze: int
    expand: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(_convolution(self.squeeze, 1, name="squeeze")(x))
        small = _convolution(self.expand, 1, name="expand1x1")(x)
        large = _convolution(self.expand, 3, 1, 1, name="expand3x3")(x)
        return nn.relu(jnp.concatenate([small, large], -1))


def _max_pool(x: jax.Array, size: int, ceil: bool) -> jax.Array:
    """Maximum over size x size windows every second pixel, (H, W, C)."""
    extra = [(-(side - size)) % 2 if ceil else 0 for side in x.shape[:2]]
    padding: Any = [(0, more) for more in extra]
    return nn.max_pool(x, (size, size), (2, 2), padding)
