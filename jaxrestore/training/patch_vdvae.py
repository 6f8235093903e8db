"""Recipe of PatchVDVAE: loss, optimiser, evaluation, pictures, export."""

from dataclasses import replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig
from jaxrestore.priors.hvae.patch_network import init_params
from jaxrestore.priors.hvae.patch_vdvae import Elbo, PatchVDVAE, to_network
from jaxrestore.priors.weights import save_prior
from jaxrestore.training.losses import balanced_kl, kl_weight, reconstruction_kl

SAMPLE_TEMPERATURES = (0.6, 0.8, 1.0)


class PatchVDVAERecipe:
    """ELBO training of a PatchVDVAE, optionally as a denoiser.

    Minimises, per dimension (reference: PatchVDVAE's training code),

        KL(N(x, 0.015^2) || p(x | z)) + beta(n) sum_l gamma_l KL(q_l || p_l)

    with the warm-up beta (up to ``config.loss.kl_weight``) and, for the first
    ``balance_steps`` steps, the balancing weights gamma of `losses`. The published
    normaliser, a batch of 128 x 128 x 3 images, is the images' own size here.

    Denoising training (``config.loss.max_noise_std`` > 0): the encoder sees
    x + s n, s uniform in [min_noise_std, max_noise_std] per image, n white; the
    target stays x. The loss is still a bound on log p(x).

    Args:
        config: the frozen training configuration; uses ``model``, ``loss``,
            ``optimizer``, ``total_steps``.
    """

    def __init__(self, config):
        self.config = config
        self.model = PatchVDVAEConfig.from_dict(config.model)

    @cached_property
    def _training_model(self) -> PatchVDVAEConfig:
        """Loops are slow to differentiate on a CPU, and slow to compile unrolled."""
        return replace(self.model, unroll=jax.default_backend() == "cpu")

    def init(self, key):
        return init_params(self.model, key)

    def optimizer(self, config) -> optax.GradientTransformation:
        """Adamax (or Adam) with linear warm-up, a plateau, then a cosine decay.

        The phase of the cosine starts at ``decay_start`` (the JAX recipe; torch's
        scheduler, recursive in the global step, bends it slightly).
        """
        settings = config.optimizer
        decay_steps = max(config.total_steps - settings.decay_start, 1)
        schedule = optax.join_schedules(
            [
                optax.linear_schedule(0.0, settings.learning_rate, settings.warmup),
                optax.cosine_decay_schedule(
                    settings.learning_rate,
                    decay_steps,
                    settings.final_learning_rate / settings.learning_rate,
                ),
            ],
            [settings.decay_start],
        )
        return {"adamax": optax.adamax, "adam": optax.adam}[settings.name](schedule)

    def loss(self, params, batch, key, step):
        settings = self.config.loss
        images = batch["image"]
        terms, noise_std = self._elbo(params, images, key, self._training_model)
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

    def _elbo(self, params, images, key, model) -> tuple[Elbo, jax.Array]:
        settings, count = self.config.loss, images.shape[0]
        level_key, noise_key, latent_key = jax.random.split(key, 3)
        low, high = settings.min_noise_std, settings.max_noise_std
        noise_std = jax.random.uniform(level_key, (count,), minval=low, maxval=high)
        noise = jax.random.normal(noise_key, images.shape)
        noisy = images + noise_std[:, None, None, None] * noise
        prior = PatchVDVAE(params, model)
        keys = jax.random.split(latent_key, count)
        return jax.vmap(prior.elbo)(images, keys, noisy, noise_std), noise_std

    def evaluate(self, params, batch, key):
        """ELBO terms, and PSNR of reconstructions (tau = 1) at several noise levels."""
        images, prior = batch["image"], PatchVDVAE(params, self.model)
        terms, _ = self._elbo(params, images, key, self.model)
        metrics = {
            "bits_per_dim": terms.bits_per_dim.mean(),
            "kl": terms.kl.sum(1).mean() / images[0].size,
        }
        for level in self.config.loss.eval_noise_levels:
            noise = jax.random.normal(key, images.shape) * level / 255.0
            reconstructed = jax.vmap(
                lambda image, level=level: prior.reconstruct(image, 1.0, level / 255.0)
            )(images + noise)
            error = jnp.mean((reconstructed.mean - images) ** 2, axis=(1, 2, 3))
            metrics[f"psnr_noise_{level:g}"] = jnp.mean(-10.0 * jnp.log10(error))
        return metrics

    def sheets(self, params, batch, key):
        """Reconstructions (input above, output below) and samples of the prior."""
        rebuilt, *samples = self._draw(params, batch["image"][:8], key)
        return {
            "reconstructions": _grid([batch["image"][:8], rebuilt]),
            "samples": _grid(samples),
        }

    @cached_property
    def _draw(self):
        def draw(params, images, key):
            prior, shape = PatchVDVAE(params, self.model), images.shape[1:3]
            keys = jax.random.split(key, len(images))
            rows = [jax.vmap(lambda image: prior.reconstruct(image, 1.0).mean)(images)]
            for tau in SAMPLE_TEMPERATURES:
                rows.append(
                    jax.vmap(lambda k, tau=tau: prior.sample(k, shape, tau))(keys)
                )
            return rows

        return jax.jit(draw)

    def export(self, params, path, metadata):
        metadata = dict(metadata)
        metadata["training_config"] = metadata.pop("config", "")  # beside the model's
        save_prior(PatchVDVAE(params, self.model), path, metadata, dtype="float16")


def _grid(rows) -> np.ndarray:
    """Rows of image batches to one picture (H, W, 3) in [0, 1]."""
    picture = np.concatenate(
        [np.concatenate(list(np.asarray(row)), axis=1) for row in rows], axis=0
    )
    return np.clip(np.repeat(picture, 3 // picture.shape[-1], axis=-1), 0.0, 1.0)
