"""The plain convolutional network of critics and of gradient-step denoisers."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrestore.nets.convolution import convolve

KERNEL = 3


class LocalCritic(nn.Module):
    """3x3 convolutions: (N, H, W, C) to (N, H', W', outputs).

    With padding 0, H' = H - 2 L for L = len(widths) + 1 convolutions: each output
    sees (2 L + 1) x (2 L + 1) pixels. With padding 1, H' = H, and the outputs L or
    more pixels off the border are the same ones: this is faster on large images, see
    `convolve`.

    Attributes:
        widths: channels after each convolution but the last.
        padding: 0 or 1.
        outputs: channels after the last.
        activation: after all but the last.
    """

    widths: tuple[int, ...]
    padding: int = 0
    outputs: int = 1
    activation: Callable[[jax.Array], jax.Array] = nn.relu

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, features in enumerate((*self.widths, self.outputs)):
            shape = (KERNEL, KERNEL, x.shape[-1], features)
            start, zeros = nn.initializers.he_normal(), nn.initializers.zeros
            kernel = self.param(f"kernel_{i}", start, shape, jnp.float32)
            bias = self.param(f"bias_{i}", zeros, (features,), jnp.float32)
            x = convolve(x, kernel, self.padding) + bias
            if i < len(self.widths):
                x = self.activation(x)
        return x
