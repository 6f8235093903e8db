"""Blocks of a ResNet-18 and of its mirror image, for `nets.stack`."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrestore.nets.convolution import same_convolution
from jaxrestore.nets.layers import torch_uniform, upsample_nearest
from jaxrestore.nets.norm import Norm
from jaxrestore.nets.strided import halve


class Plain(nn.Module):
    """k x k convolution without bias, k = 1 or 3: (H, W, C) -> (H, W, features).

    With `halving` of stride 2, (H/2, W/2, features), even sides.
    """

    features: int
    size: int = 3
    halving: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.size, self.size, x.shape[-1], self.features)
        start = torch_uniform(self.size**2 * x.shape[-1])
        kernel = self.param("kernel", start, shape, jnp.float32).astype(x.dtype)
        if self.size == 1:
            return (x[::2, ::2] if self.halving else x) @ kernel[0, 0]
        return (
            halve(x, kernel) if self.halving else same_convolution(x[None], kernel)[0]
        )


class Block(nn.Module):
    """ReLU(x + norm 3x3 ReLU norm 3x3 x): (H, W, C) to same.

    With `halving` the first convolution has stride 2, and what is added is the norm of
    a 1x1 of stride 2: -> (H/2, W/2, features).
    """

    features: int
    halving: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        h = Plain(self.features, halving=self.halving, name="conv1")(x)
        h = nn.relu(Norm(name="norm1")(h))
        h = Norm(name="norm2")(Plain(self.features, name="conv2")(h))
        if self.halving:
            x = Plain(self.features, 1, True, name="skip")(x)
            x = Norm(name="skip_norm")(x)
        return nn.relu(h + x)


class Doubling(nn.Module):
    """A `Block` the other way round: (H, W, C) -> (2H, 2W, features).

    The 3x3 of C channels comes first; the second 3x3 sees each pixel repeated 2 x 2
    times, and so is the norm of a 1x1 that is added.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        h = Plain(x.shape[-1], name="conv2")(x)
        h = upsample_nearest(nn.relu(Norm(name="norm2")(h)), 2)
        h = Norm(name="norm1")(Plain(self.features, name="conv1")(h))
        x = Norm(name="skip_norm")(Plain(self.features, 1, name="skip")(x))
        return nn.relu(h + upsample_nearest(x, 2))
