"""Recipe of VDVAE: its loss, optimiser and evaluation."""

from dataclasses import dataclass

import jax
import optax

from jaxrestore.priors.hvae.base import Elbo
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.priors.hvae.vdvae_config import VDVAEConfig
from jaxrestore.settings import choice, number, setting
from jaxrestore.training.recipes.hvae import (
    ClippedCosine,
    HierarchicalVAERecipe,
    cells_muon,
    warmed_up_cosine,
)


@dataclass(frozen=True)
class AdamW(ClippedCosine):
    """The `optimizer` section."""

    name: str = setting("adamw", choice("adamw", "muon"), "muon: of the kernels")
    weight_decay: float = setting(0.01, number(0), "of AdamW and Muon")


class VDVAERecipe(HierarchicalVAERecipe):
    """ELBO training of a VDVAE.

    Minimises the bound per dimension, in nats (Child 2021, the released code):

        (-log P(x | z) + sum_l KL(q_l || p_l)) / (H W C),   z drawn from q(z | x)

    with P the discretised mixture of logistics. Data are 8-bit values v / 255:
    ``config.data.dequantise`` must be False.
    """

    prior, Model, Optimizer = VDVAE, VDVAEConfig, AdamW

    def optimizer(self, config) -> optax.GradientTransformation:
        """AdamW with the released betas (0.9, 0.9), after clipping of the norm.

        Or `cells_muon`.
        """
        settings = config.optimizer
        schedule, decay = warmed_up_cosine(config), settings.weight_decay
        if settings.name == "muon":
            method = cells_muon(schedule, decay)
        else:
            method = optax.adamw(schedule, b1=0.9, b2=0.9, weight_decay=decay)
        return optax.chain(optax.clip_by_global_norm(settings.clip_norm), method)

    def _elbo(self, params, images, key, model) -> Elbo:
        keys = jax.random.split(key, len(images))
        return jax.vmap(VDVAE(params, model).elbo)(images, keys)

    def _named(self, terms, pixels):
        scores, nats = super()._named(terms, pixels), terms.nats_per_dim.mean()
        return scores | {"nats_per_dim": nats, "distortion": nats - scores["kl"]}
