"""VDVAE: the hierarchical VAE of images of one size, with discrete pixels."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from jaxrestore.priors.hvae import vdvae_network
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.dmol import DiscretizedLogistics, target_levels
from jaxrestore.priors.hvae.vdvae_config import VDVAEConfig


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class VDVAE(HierarchicalVAE):
    """A VDVAE with its parameters: a pytree whose leaves are the parameters.

    All methods take one image (S, S, C), float32 in [0, 1], S = ``config.image_size``
    (learned maps and 1x1 latents fix it); ``jax.vmap`` makes batches. The mean and
    the standard deviation of p(x | z) are those of its mixture of logistics, with the
    shift and the bounds of the config. The released `eval_logpxz` leaves these out
    where `latent_reg` has them; here `decode` and `reconstruct` agree.
    """

    config: VDVAEConfig = field(metadata={"static": True})
    network = vdvae_network

    def _canvas(self, shape: tuple[int, ...]):
        return self._only_size(shape)

    def _inputs(self, image, encoder_noise):
        self._canvas(image.shape[:2])
        return vdvae_network.encoder_input(self.config, image)

    def _target(self, image):
        return target_levels(image, self.config.levels)

    def _to_unit(self, decoded: DiscretizedLogistics):
        mean, variance = decoded.moments(self.config.coupled_mean)
        mean = jnp.clip(0.5 * (mean + 1.0) + self.config.mean_shift, 0.0, 1.0)
        variance = 0.25 * variance
        if self.config.variance_range is not None:
            variance = jnp.clip(variance, *self.config.variance_range)
        return mean, jnp.sqrt(variance)
