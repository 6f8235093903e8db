"""The masked convolution of autoregressive latents."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrestore.nets.convolution import same_convolution
from jaxrestore.nets.layers import torch_uniform

SIZE = 5


def mask() -> np.ndarray:
    """(5, 5, 1, 1): 1 in the rows above the centre and left of it (type A)."""
    seen = np.arange(SIZE * SIZE) < SIZE * SIZE // 2
    return seen.reshape(SIZE, SIZE, 1, 1).astype(np.float32)


class Context(nn.Module):
    """What is known of a latent from those before it: (H, W, M) -> (H, W, features).

    `pixel` gives one position's row from its (5, 5, M) surroundings, of which it reads
    nothing but those before the centre.
    """

    features: int

    def setup(self):
        self.weights = _Weights(self.features)

    def __call__(self, z: jax.Array) -> jax.Array:
        kernel, bias = self.weights(z.shape[-1])
        return same_convolution(z[None], kernel.astype(z.dtype))[0] + bias

    def pixel(self, surroundings: jax.Array) -> jax.Array:
        kernel, bias = self.weights(surroundings.shape[-1])
        return jnp.einsum("hwc,hwcf->f", surroundings, kernel) + bias


class _Weights(nn.Module):
    features: int

    @nn.compact
    def __call__(self, channels: int) -> tuple[jax.Array, jax.Array]:
        start = torch_uniform(SIZE * SIZE * channels)
        shape = (SIZE, SIZE, channels, self.features)
        kernel = self.param("kernel", start, shape, jnp.float32)
        bias = self.param("bias", start, (self.features,), jnp.float32)
        return lax.mul(kernel, jnp.broadcast_to(jnp.asarray(mask()), shape)), bias
