"""The critic of adversarial local regularisation: one score for each patch."""

import flax.linen as nn
import jax

from jaxrestore.nets.convolution import convolve

KERNEL = 3


class LocalCritic(nn.Module):
    """3x3 convolutions without padding, ReLU after all but the last.

    Maps (N, H, W, C) to (N, H - 2 L, W - 2 L, 1) with L = len(widths) + 1
    convolutions: each output sees (2 L + 1) x (2 L + 1) pixels.
    """

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, features in enumerate((*self.widths, 1)):
            shape = (KERNEL, KERNEL, x.shape[-1], features)
            kernel = self.param(f"kernel_{i}", nn.initializers.he_normal(), shape)
            bias = self.param(f"bias_{i}", nn.initializers.zeros, (features,))
            x = convolve(x, kernel) + bias
            if i < len(self.widths):
                x = nn.relu(x)
        return x
