"""Convolutional stacks of ImageNet classifiers, whose features LPIPS compares.

AlexNet (Krizhevsky 2014, one tower), VGG16 (Simonyan and Zisserman 2014) and
SqueezeNet 1.1 (Iandola et al. 2016), up to their last feature map, as torchvision
numbers their layers: layer i of ours carries the weights of its ``features.i``.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax


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
    return tuple(_width(layer.spec) for layer in STACKS[name] if layer.tap)


def _width(spec: Conv | Pool | Fire) -> int:
    assert not isinstance(spec, Pool)
    return spec.features if isinstance(spec, Conv) else 2 * spec.expand


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
                x = nn.relu(_Convolution(*spec, name=name)(x))
            elif isinstance(spec, Fire):
                x = _Fire(*spec, name=name)(x)
            else:
                x = max_pool(x, spec.size, spec.ceil)
            if tap:
                taps.append(x)
        return tuple(taps)


class _Convolution(nn.Module):
    features: int
    size: int
    stride: int = 1
    padding: int = 0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        out = lax.conv_general_dilated(
            x[None],
            kernel,
            (self.stride, self.stride),
            [(self.padding, self.padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return out[0] + bias


class _Fire(nn.Module):
    squeeze: int
    expand: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(_Convolution(self.squeeze, 1, name="squeeze")(x))
        small = _Convolution(self.expand, 1, name="expand1x1")(x)
        large = _Convolution(self.expand, 3, 1, 1, name="expand3x3")(x)
        return nn.relu(jnp.concatenate([small, large], -1))


def max_pool(x: jax.Array, size: int, ceil: bool) -> jax.Array:
    """Maximum over size x size windows every second pixel, (H, W, C)."""
    extra = [(-(side - size)) % 2 if ceil else 0 for side in x.shape[:2]]
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        (size, size, 1),
        (2, 2, 1),
        [(0, extra[0]), (0, extra[1]), (0, 0)],
    )


def apply_stack(name: str, params: dict, x: jax.Array) -> tuple[jax.Array, ...]:
    """Feature maps of a normalised image (H, W, 3), see `Stack`."""
    return Stack(name).apply({"params": params}, x)  # type: ignore[return-value]


def init_stack(name: str, key: jax.Array) -> Any:
    """Random parameters of a stack: nested dicts of arrays."""
    return Stack(name).init(key, jnp.zeros((64, 64, 3), jnp.float32))["params"]
