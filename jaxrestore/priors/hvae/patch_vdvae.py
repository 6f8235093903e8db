"""PatchVDVAE: the fully convolutional hierarchical VAE for images of any size."""

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from jaxrestore.priors.hvae import patch_network
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.gaussian import Gaussian
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PatchVDVAE(HierarchicalVAE):
    """A PatchVDVAE with its parameters: a pytree whose leaves are the parameters.

    All methods take one image (H, W, C), float32 in [0, 1], of any size: it is
    padded by reflection to a multiple of ``stride`` and results are cropped back
    (the published code crops the image instead). ``jax.vmap`` makes batches.
    """

    config: PatchVDVAEConfig = field(metadata={"static": True})
    network = patch_network
    log_bins = math.log(127.5)  # p(x | z) is a density on [-1, 1]

    def _canvas(self, shape: tuple[int, ...]):
        height, width = (-(-side // self.stride) * self.stride for side in shape)
        return height, width

    def _inputs(self, image, encoder_noise):
        height, width = self._canvas(image.shape[:2])
        bottom, right = height - image.shape[0], width - image.shape[1]
        padded = jnp.pad(image, ((0, bottom), (0, right), (0, 0)), mode="symmetric")
        inputs = to_network(padded)
        if not self.config.noise_input:
            return inputs
        level = jnp.asarray(0.0 if encoder_noise is None else encoder_noise)
        noise = level / patch_network.NOISE_UNIT
        noise = jnp.broadcast_to(noise, (height, width, 1)).astype(inputs.dtype)
        return jnp.concatenate([inputs, noise], axis=-1)

    def _target(self, image):
        return to_network(image)

    def _to_unit(self, decoded: Gaussian):
        mean = jnp.clip(0.5 * (decoded.mean + 1.0), 0.0, 1.0)
        return mean, 0.5 * decoded.std


def to_network(image: jax.Array) -> jax.Array:
    """[0, 1] to the network's [-1, 1], clipped."""
    return jnp.clip(2.0 * image - 1.0, -1.0, 1.0)
