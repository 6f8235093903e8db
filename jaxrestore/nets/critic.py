"""The critic of adversarial local regularisation: one score for each patch."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrestore.nets.convolution import convolve

KERNEL = 3


class LocalCritic(nn.Module):
    """3x3 convolutions, ReLU after all but the last: (N, H, W, C) to (N, H', W', 1).

    With padding 0, H' = H - 2 L for L = len(widths) + 1 convolutions: each output
    sees (2 L + 1) x (2 L + 1) pixels. With padding 1, H' = H, and the outputs L or
    more pixels off the border are the same ones: this is faster on large images, see
    `convolve`.
    """

    widths: tuple[int, ...]
    padding: int = 0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, features in enumerate((*self.widths, 1)):
            shape = (KERNEL, KERNEL, x.shape[-1], features)
            start, zeros = nn.initializers.he_normal(), nn.initializers.zeros
            kernel = self.param(f"kernel_{i}", start, shape, jnp.float32)
            bias = self.param(f"bias_{i}", zeros, (features,), jnp.float32)
            x = convolve(x, kernel, self.padding) + bias
            if i < len(self.widths):
                x = nn.relu(x)
        return x
