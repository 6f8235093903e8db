"""Recipe of the plain VAE: its loss, optimiser and evaluation."""

from dataclasses import dataclass

import jax

from jaxrestore.priors.hvae.base import Elbo
from jaxrestore.priors.hvae.vae import VAE, VAEConfig
from jaxrestore.settings import number, sequence, setting
from jaxrestore.training.recipes.hvae import HierarchicalVAERecipe


@dataclass(frozen=True)
class VAELoss:
    """The `loss` section."""

    noise_std: float = setting(0.0, number(0), "of the encoder's input, [0, 1] units")
    eval_noise_levels: tuple = setting(
        (0.0, 15.0, 50.0), sequence(number(0), least=0), "of 255, for val_psnr_noise_*"
    )


class VAERecipe(HierarchicalVAERecipe):
    """ELBO training of a plain VAE, as a denoiser.

    Minimises the bound per dimension, in nats,

        (-log p(x | z) + KL(q(z | x + s n) || N(0, I))) / (H W C)

    with z drawn from q and n white noise: the encoder sees x + s n with
    s = ``config.loss.noise_std``, the target stays x, and gamma is learned with the
    rest. JPMAP encodes images that are not clean, and needs an encoder that bears it
    (Gonzalez et al. 2022). The loss is a bound on log p(x) for any encoder.
    """

    prior, Model, Loss = VAE, VAEConfig, VAELoss

    def _elbo(self, params, images, key, model) -> Elbo:
        noise_key, latent_key = jax.random.split(key)
        noise = jax.random.normal(noise_key, images.shape)
        seen = images + self.config.loss.noise_std * noise
        keys = jax.random.split(latent_key, len(images))
        return jax.vmap(self.prior(params, model).elbo)(images, keys, seen)

    def _named(self, terms, pixels):
        return super()._named(terms, pixels) | {
            "nats_per_dim": terms.nats_per_dim.mean(),
            "decoder_std": terms.decoder.std.mean(),
        }
