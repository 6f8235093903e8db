"""Recipe of gradient-step denoisers: their squared error."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.metrics import psnr
from jaxrestore.priors.gradient_step import GradientStep, GradientStepConfig
from jaxrestore.settings import number, sequence, setting
from jaxrestore.training.recipe import Recipe
from jaxrestore.training.recipes.alr import ALROptimizer, falling_adam
from jaxrestore.training.recipes.hvae import picture


@dataclass(frozen=True)
class DenoiserLoss:
    """The `loss` section; standard deviations in [0, 1] units."""

    min_noise_std: float = setting(0.05, number(0), "of the input")
    max_noise_std: float = setting(0.30, number(0, above=True), "of the input")
    eval_noise_stds: tuple = setting(
        (0.1, 0.2), sequence(number(0), least=0), "for val_psnr_noise_*"
    )

    def __post_init__(self):
        if self.min_noise_std > self.max_noise_std:
            raise InputError(
                f"config.loss.min_noise_std={self.min_noise_std}: expected at most"
                f" config.loss.max_noise_std={self.max_noise_std}"
            )


class GradientStepRecipe(Recipe):
    """Training of a `GradientStep` as a denoiser (Hurault et al. 2021).

    Minimises E || D(x + s n) - x ||^2 per value, n white, s uniform in
    [``loss.min_noise_std``, ``loss.max_noise_std``] for each image, not told to D.
    """

    prior, Model = GradientStep, GradientStepConfig
    Loss, Optimizer = DenoiserLoss, ALROptimizer

    def __init__(self, config):
        super().__init__(config)
        self._draw = jax.jit(self._denoised)

    def init(self, key):
        return GradientStep.create(self.model, key).params

    def optimizer(self, config):
        """`falling_adam`."""
        return falling_adam(config)

    def loss(self, params, batch, key, step, frozen=None):
        level_key, noise_key = jax.random.split(key)
        clean, settings = batch["image"], self.config.loss
        low, high = settings.min_noise_std, settings.max_noise_std
        level = jax.random.uniform(level_key, (len(clean), 1, 1, 1), float, low, high)
        noisy = clean + level * jax.random.normal(noise_key, clean.shape)
        error = jnp.mean((self._denoised(params, noisy) - clean) ** 2)
        return error, {"psnr": -10 * jnp.log10(error)}

    def evaluate(self, params, batch, key, frozen=None):
        """The loss, and the mean PSNR at each of ``loss.eval_noise_stds``."""
        loss, _ = self.loss(params, batch, key, jnp.zeros(()))
        clean, found = batch["image"], {"loss": loss}
        noise = jax.random.normal(key, clean.shape)
        for level in self.config.loss.eval_noise_stds:
            rebuilt = self._denoised(params, clean + level * noise)
            found[f"psnr_noise_{level:g}"] = jax.vmap(psnr)(rebuilt, clean).mean()
        return found

    def sheets(self, params, batch, key):
        """Validation patches, the same with noise, and denoised."""
        clean = batch["image"][:8]
        noise = jax.random.normal(key, clean.shape)
        noisy = clean + self.config.loss.max_noise_std * noise
        return {"denoised": picture([clean, noisy, self._draw(params, noisy)])}

    def _denoised(self, params, images: jax.Array) -> jax.Array:
        """D of a batch, as one batch: see `convolve`."""
        return GradientStep(params, self.model).denoise_batch(images)
