"""Recipe of PatchVDVAE: its loss, optimiser and evaluation."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from jaxrestore.errors import InputError
from jaxrestore.priors.hvae.base import Elbo
from jaxrestore.priors.hvae.gaussian import Gaussian
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig
from jaxrestore.priors.hvae.patch_vdvae import PatchVDVAE, to_network
from jaxrestore.settings import choice, count, number, sequence, setting
from jaxrestore.training.recipes.hvae import (
    Cosine,
    HierarchicalVAERecipe,
    cells_muon,
    unrolled,
    warmed_up_cosine,
)

TARGET_STD = 0.015  # width of the Gaussian around a pixel, on [-1, 1]
_KINDS = {"adamax": optax.adamax, "adam": optax.adam, "muon": cells_muon}


@dataclass(frozen=True)
class PatchLoss:
    """The `loss` section; defaults as published."""

    min_noise_std: float = setting(0.0, number(0), "of the encoder's input, [0, 1]")
    max_noise_std: float = setting(0.0, number(0), "0: no denoising training")
    kl_weight: float = setting(1.0, number(0, above=True), "after the warm-up")
    warmup_start: int = setting(21, count(0), "step at which the KL's weight grows")
    warmup_steps: int = setting(5_000, count(0), "until it is kl_weight")
    balance_steps: int = setting(10_000, count(0), "with balanced latent groups")
    eval_noise_levels: tuple = setting(
        (0.0, 5.0, 15.0, 25.0),
        sequence(number(0), least=0),
        "of 255, for val_psnr_noise_*",
    )

    def __post_init__(self):
        if self.min_noise_std > self.max_noise_std:
            raise InputError(
                f"config.loss.min_noise_std={self.min_noise_std}: expected at most"
                f" config.loss.max_noise_std={self.max_noise_std}"
            )


@dataclass(frozen=True)
class PatchOptimizer(Cosine):
    """The `optimizer` section."""

    name: str = setting("adamax", choice(*_KINDS), "muon: of the cells")


class PatchVDVAERecipe(HierarchicalVAERecipe):
    """ELBO training of a PatchVDVAE, optionally as a denoiser.

    Minimises, per dimension (reference: PatchVDVAE's training code),

        KL(N(x, 0.015^2) || p(x | z)) + beta(n) sum_l gamma_l KL(q_l || p_l)

    with the warm-up beta (up to ``config.loss.kl_weight``) and, for the first
    ``balance_steps`` steps, the balancing weights gamma of `balanced_kl`. The published
    normaliser, a batch of 128 x 128 x 3 images, is the images' own size here.

    Denoising training (``config.loss.max_noise_std`` > 0): the encoder sees
    x + s n, s uniform in [min_noise_std, max_noise_std] per image, n white; the
    target stays x. The loss is still a bound on log p(x).
    """

    prior, Model = PatchVDVAE, PatchVDVAEConfig
    Loss, Optimizer = PatchLoss, PatchOptimizer

    def optimizer(self, config) -> optax.GradientTransformation:
        """Adamax (or Adam, or `cells_muon`) with `warmed_up_cosine`."""
        return _KINDS[config.optimizer.name](warmed_up_cosine(config))

    def loss(self, params, batch, key, step, frozen=None):
        settings = self.config.loss
        images = batch["image"]
        terms = self._elbo(params, images, key, unrolled(self.model))
        pixels = images[0].size
        target = jax.vmap(to_network)(images)
        rec = reconstruction_kl(target, terms.decoder) / images.size
        kl = terms.kl.mean(0)
        balanced = balanced_kl(kl, terms.elements[0])
        regularised = jnp.where(step <= settings.balance_steps, balanced, kl.sum())
        beta = kl_weight(
            step, settings.warmup_start, settings.warmup_steps, settings.kl_weight
        )
        loss = rec + beta * regularised / pixels
        error = jnp.mean((terms.decoder.mean - target) ** 2)
        metrics = {
            "reconstruction": rec,
            "kl": kl.sum() / pixels,
            "kl_weight": beta,
            "bits_per_dim": terms.bits_per_dim.mean(),
            "sample_psnr": 10.0 * jnp.log10(4.0 / error),
        }
        return loss, metrics

    def _elbo(self, params, images, key, model) -> Elbo:
        settings, count = self.config.loss, images.shape[0]
        level_key, noise_key, latent_key = jax.random.split(key, 3)
        low, high = settings.min_noise_std, settings.max_noise_std
        noise_std = jax.random.uniform(level_key, (count,), minval=low, maxval=high)
        noise = jax.random.normal(noise_key, images.shape)
        noisy = images + noise_std[:, None, None, None] * noise
        keys = jax.random.split(latent_key, count)
        return jax.vmap(PatchVDVAE(params, model).elbo)(images, keys, noisy, noise_std)


def reconstruction_kl(target: jax.Array, decoder: Gaussian) -> jax.Array:
    """KL(N(target, 0.015^2) || decoder) summed over all elements, in nats.

    The published reconstruction loss of PatchVDVAE: unlike -log p(x | z) it is
    non-negative and does not reward a standard deviation far below 0.015.

    Args:
        target: image on [-1, 1], (..., H, W, C).
        decoder: p(x | z) of the same shape.
    """
    return decoder.kl_from(Gaussian(target, jnp.full_like(target, TARGET_STD)))


def kl_weight(step: jax.Array, start: int, steps: int, final: float = 1.0) -> jax.Array:
    """KL warm-up: clip((n - start) / (start + steps), 1e-4, final).

    The divisor ``start + steps`` is the published code's (start 21, steps 5000,
    final 1). A smaller ``final`` buys sharper reconstructions for a looser bound.
    With ``start = steps = 0`` there is no warm-up: ``final`` from the first step on.
    """
    if start + steps == 0:
        return jnp.full(jnp.shape(step), final, jnp.float32)
    return jnp.clip((step - start) / (start + steps), 1e-4, final)


def balanced_kl(kl: jax.Array, elements: jax.Array) -> jax.Array:
    """Sum of KL_l weighted by gamma_l = L a_l / sum(a), a constant for the gradient.

    a_l is the KL per latent element: groups that carry more pay more, so that no
    group falls silent early in the training.

    Args:
        kl: (L,) batch means in nats.
        elements: (L,) latent elements of each group.
    """
    per_element = kl / elements
    gamma = kl.shape[0] * per_element / jnp.maximum(per_element.sum(), 1e-12)
    return jnp.sum(jax.lax.stop_gradient(gamma) * kl)
