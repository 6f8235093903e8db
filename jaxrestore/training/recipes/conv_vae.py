"""Recipe of VBLE's one-level VAEs: batch statistics beside the weights."""

import jax
import jax.numpy as jnp
import optax

from jaxrestore.nets.norm import MOMENTUM, STATISTICS, batch_statistics
from jaxrestore.priors.hvae.conv_vae import ConvVAE, ConvVAEConfig
from jaxrestore.training.recipes.vae import VAERecipe

_AXIS = "batch"


class ConvVAERecipe(VAERecipe):
    """ELBO training of a `ConvVAE`.

    Minimises the bound of `VAERecipe`, by default of clean images; with
    ``config.model.deviation`` see `DeviationRecipe` instead. In training the layers of
    normalisation take the batch's statistics, and their own follow these.
    """

    prior, Model = ConvVAE, ConvVAEConfig

    def optimizer(self, config) -> optax.GradientTransformation:
        return with_statistics(super().optimizer(config))

    def loss(self, params, batch, key, step, frozen=None):
        images = batch["image"]
        prior, keys = ConvVAE(params, self.model), jax.random.split(key, len(images))
        noise = jax.random.normal(jax.random.fold_in(key, 1), images.shape)
        seen = images + self.config.loss.noise_std * noise
        with batch_statistics(_AXIS):
            terms = jax.vmap(prior.elbo, axis_name=_AXIS)(images, keys, seen)
        return terms.nats_per_dim.mean(), self._named(terms, images[0].size)


def is_statistic(path) -> bool:
    """Whether a leaf of the parameters is a statistic of normalisation."""
    return getattr(path[-1], "key", "") in STATISTICS


def with_statistics(
    weights: optax.GradientTransformation,
) -> optax.GradientTransformation:
    """A rule for weights, and plain descent for the statistics of normalisation."""

    def update(gradients, state, params=None):
        def kept(path, gradient):
            return jnp.zeros_like(gradient) if is_statistic(path) else gradient

        def chosen(path, step, gradient):
            return -MOMENTUM * gradient if is_statistic(path) else step

        learned = jax.tree_util.tree_map_with_path(kept, gradients)
        steps, state = weights.update(learned, state, params)
        return jax.tree_util.tree_map_with_path(chosen, steps, gradients), state

    return optax.GradientTransformation(weights.init, update)  # type: ignore[arg-type]
