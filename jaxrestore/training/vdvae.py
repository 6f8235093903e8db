"""Recipe of VDVAE: its loss, optimiser and evaluation."""

from dataclasses import dataclass

import jax
import optax

from jaxrestore.priors.hvae.base import Elbo
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.priors.hvae.vdvae_config import VDVAEConfig
from jaxrestore.settings import number, setting
from jaxrestore.training.hvae import (
    ClippedCosine,
    HierarchicalVAERecipe,
    mean_psnr,
    warmed_up_cosine,
)


@dataclass(frozen=True)
class AdamW(ClippedCosine):
    """The `optimizer` section."""

    weight_decay: float = setting(0.01, number(0), "of AdamW")


class VDVAERecipe(HierarchicalVAERecipe):
    """ELBO training of a VDVAE.

    Minimises the bound per dimension, in nats (Child 2021, the released code):

        (-log P(x | z) + sum_l KL(q_l || p_l)) / (H W C),   z drawn from q(z | x)

    with P the discretised mixture of logistics. Data are 8-bit values v / 255:
    ``config.data.dequantise`` must be False.
    """

    prior, Model, Optimizer = VDVAE, VDVAEConfig, AdamW

    def optimizer(self, config) -> optax.GradientTransformation:
        """AdamW with the released betas (0.9, 0.9), after clipping of the norm."""
        settings = config.optimizer
        return optax.chain(
            optax.clip_by_global_norm(settings.clip_norm),
            optax.adamw(
                warmed_up_cosine(config),
                b1=0.9,
                b2=0.9,
                weight_decay=settings.weight_decay,
            ),
        )

    def loss(self, params, batch, key, step, frozen=None):
        metrics = self._scores(params, batch, key, self.training_model)
        return metrics["nats_per_dim"], metrics

    def evaluate(self, params, batch, key, frozen=None):
        """The bound's terms, and PSNR of reconstructions (tau = 1)."""
        images, prior = batch["image"], VDVAE(params, self.model)
        rebuilt = jax.vmap(lambda image: prior.reconstruct(image, 1.0).mean)(images)
        scores = self._scores(params, batch, key, self.model)
        return scores | {"psnr": mean_psnr(images, rebuilt)}

    def _scores(self, params, batch, key, model) -> dict[str, jax.Array]:
        images = batch["image"]
        keys = jax.random.split(key, len(images))
        terms: Elbo = jax.vmap(VDVAE(params, model).elbo)(images, keys)
        nats, kl = terms.nats_per_dim.mean(), terms.kl.sum(1).mean() / images[0].size
        return {
            "nats_per_dim": nats,
            "bits_per_dim": terms.bits_per_dim.mean(),
            "distortion": nats - kl,
            "kl": kl,
        }
