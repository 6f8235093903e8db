"""The plain VAE: a hierarchy of one group, for images of one size."""

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from jaxrestore.priors.hvae import vae_network
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.gaussian import Gaussian
from jaxrestore.priors.hvae.vae_config import VAEConfig


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class VAE(HierarchicalVAE):
    """A convolutional VAE with its parameters: a pytree, its config static.

    z ~ N(0, I), x | z ~ N(mu(z), gamma^2 I) with one learned gamma, and
    q(z | x) = N(mu(x), diag) (thesis, 4.5 and 4.6). One latent group, (1, 1, D), so
    that whatever takes a hierarchical prior takes this one; JPMAP is made for it.

    All methods take one image (S, S, C), float32 in [0, 1], S = ``config.image_size``;
    ``jax.vmap`` makes batches.
    """

    config: VAEConfig = field(metadata={"static": True})
    network = vae_network
    log_bins = math.log(255.0)  # p(x | z) is a density on [0, 1]

    def _canvas(self, shape: tuple[int, ...]):
        return self._only_size(shape)

    def _inputs(self, image, encoder_noise):
        self._canvas(image.shape[:2])
        return jnp.clip(image, 0.0, 1.0)

    def _target(self, image):
        return image

    def _to_unit(self, decoded: Gaussian):
        return decoded.mean, decoded.std
