"""Recipe of compressive autoencoders: rate and distortion at several rates."""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import optax

from jaxrestore.metrics import psnr
from jaxrestore.priors.cae import density
from jaxrestore.priors.cae.cae import CAE, Coded
from jaxrestore.priors.cae.config import CAEConfig
from jaxrestore.settings import number, setting
from jaxrestore.training.recipe import Recipe
from jaxrestore.training.recipes.hvae import ClippedCosine, picture, warmed_up_cosine


@dataclass(frozen=True)
class CAELoss:
    """The `loss` section."""

    quantile_weight: float = setting(
        1e-3, number(0), "of the loss that finds the medians of p(h)"
    )


class CAERecipe(Recipe):
    """Rate-distortion training of a `CAE`.

    Minimises, averaged over images,

        lambda 255^2 MSE(x, x^) + (bits of h + bits of z) / (H W)

    with x^ decoded from z + u, h + u, u uniform on +-1/2, and the bits of z counted
    with a second, independent u (Minnen et al. 2018; CompressAI). This is, up to a
    constant and the factor log 2, -ELBO per pixel of the autoencoder as a VAE. Each
    image draws its lambda from ``config.model.rates``; the network has one gain of its
    latents for each (Cui et al. 2021).
    """

    prior, Model, Loss, Optimizer = CAE, CAEConfig, CAELoss, ClippedCosine
    dtype = "float16"

    def init(self, key):
        return CAE.init_params(self.model, key)

    def optimizer(self, config) -> optax.GradientTransformation:
        """Adam after clipping of the norm, with `warmed_up_cosine`."""
        return optax.chain(
            optax.clip_by_global_norm(config.optimizer.clip_norm),
            optax.adam(warmed_up_cosine(config)),
        )

    def loss(self, params, batch, key, step, frozen=None):
        images = batch["image"]
        for_rates, for_noise = jax.random.split(key)
        rates = jnp.asarray(self.model.rates, jnp.float32)
        drawn = rates[jax.random.randint(for_rates, (len(images),), 0, len(rates))]
        keys = jax.random.split(for_noise, len(images))
        coded = jax.vmap(partial(self._coded, params))(images, drawn, keys)
        losses, bpp, mse = jax.vmap(rate_distortion)(images, coded, drawn)
        found = density.quantile_loss(params["density"]) / self.model.width
        terms = {"loss": losses.mean(), "bpp": bpp.mean(), "mse255": mse.mean()}
        loss = terms["loss"] + self.config.loss.quantile_weight * found
        return loss, terms | {"quantiles": found}

    def evaluate(self, params, batch, key, frozen=None):
        """Loss, bits per pixel and PSNR of each rate, with noise for rounding."""
        images, scores = batch["image"], {}
        keys = jax.random.split(key, len(images))
        total = 0.0
        for rate in self.model.rates:
            coded = jax.vmap(partial(self._coded, params), (0, None, 0))(
                images, jnp.float32(rate), keys
            )
            measure = jax.vmap(rate_distortion, (0, 0, None))
            losses, bpp, _ = measure(images, coded, jnp.float32(rate))
            total += losses.mean() / len(self.model.rates)
            scores[f"bpp_{rate:g}"] = bpp.mean()
            scores[f"psnr_{rate:g}"] = jax.vmap(psnr)(coded.mean, images).mean()
        return scores | {"rd_loss": total}

    def sheets(self, params, batch, key):
        """Images, and what is decoded at the lowest and the highest rate."""
        images = jnp.asarray(batch["image"][:8])
        rows = [images]
        for rate in sorted({self.model.rates[0], self.model.rates[-1]}):
            prior = CAE(params, self.model, rate)
            rows.append(jax.jit(jax.vmap(lambda x, p=prior: p.code(x).mean))(images))
        return {"reconstructions": picture(rows)}

    def _coded(self, params, image, rate, key) -> Coded:
        prior = CAE(params, self.model, rate)
        return prior.code(image, prior.noise(key, image.shape[:2]))


def rate_distortion(
    image: jax.Array, coded: Coded, rate: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """lambda 255^2 MSE + bits per pixel, the second, and 255^2 MSE, of one image."""
    mse = 255**2 * jnp.mean(jnp.square(image - coded.mean))
    bpp = coded.bits.sum() / math.prod(image.shape[:2])
    return rate * mse + bpp, bpp, mse
