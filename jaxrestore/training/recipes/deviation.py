"""Recipe of a second decoder: the standard deviation of p(x | z), all else frozen."""

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import tree_map_with_path

from jaxrestore.errors import InputError
from jaxrestore.parameters import params_sha256
from jaxrestore.priors.cae.cae import CAE
from jaxrestore.priors.hvae.conv_vae import ConvVAE
from jaxrestore.priors.weights import load_prior
from jaxrestore.settings import number, setting
from jaxrestore.training.recipe import Recipe
from jaxrestore.training.recipes.conv_vae import is_statistic
from jaxrestore.training.recipes.hvae import ClippedCosine, picture, warmed_up_cosine


@dataclass(frozen=True)
class Start:
    """The `loss` section."""

    initial_std: float = setting(
        0.05, number(0, 1, above=True), "sigma before training, [0, 1] units"
    )


class DeviationRecipe(Recipe):
    """The second step of training an autoencoder with a deviation (VBLE-xz).

    Minimises, for z drawn from the encoder of the frozen ``config.prior``, a `CAE` or
    a `ConvVAE`, with its frozen decoder D,

        E_q sum_k [ (x_k - D_k(z))^2 / (2 sigma_k(z)^2) + log sigma_k(z) ] / (H W C)

    over a second decoder sigma(z) of D's architecture, which begins at one number and
    D's inner weights. (The slides leave log sigma outside the sum.) The exported
    weights are the whole prior, D as it was.

    Raises:
        InputError: no such prior, or one that has a deviation.
    """

    Loss, Optimizer, dtype = Start, ClippedCosine, "float16"

    def __init__(self, config):
        super().__init__(config)
        self._first = _without_deviation(config.prior)
        self.model = replace(self._first.config, deviation=True)
        self.frozen = self._first.params
        self.identity = {"prior": params_sha256(self._first)}
        channels = self.model.image_channels
        config.data.require(f"{config.prior} takes", channels=channels)

    def prior(self, params, model) -> Any:  # type: ignore[override]
        """The frozen prior with a second decoder of these parameters."""
        return self._whole(params, self.frozen)

    def init(self, key):
        std = self.config.loss.initial_std
        if isinstance(self._first, CAE):
            decoder, raw = self.frozen["synthesis"], math.log(std / (1 - std))
        else:
            decoder, raw = self.frozen["top_down"]["decoder"], math.log(std)
        return _constant(decoder, raw)

    def optimizer(self, config) -> optax.GradientTransformation:
        """Adam after clipping of the norm, with `warmed_up_cosine`.

        Statistics of normalisation stay those of the first decoder.
        """

        def statistics(params):
            return tree_map_with_path(lambda path, _: is_statistic(path), params)

        return optax.chain(
            optax.masked(optax.set_to_zero(), statistics),
            optax.clip_by_global_norm(config.optimizer.clip_norm),
            optax.adam(warmed_up_cosine(config)),
        )

    def loss(self, params, batch, key, step, frozen=None):
        nats, std = self._terms(params, frozen, batch["image"], key)
        return nats, {"nats_per_dim": nats, "decoder_std": std}

    def evaluate(self, params, batch, key, frozen=None):
        """The loss, and how large the deviation is."""
        nats, std = self._terms(params, frozen, batch["image"], key)
        return {"nats_per_dim": nats, "decoder_std": std}

    def sheets(self, params, batch, key):
        """Images, errors of their reconstructions and predicted deviations, times 5."""
        images = jnp.asarray(batch["image"][:8])
        whole = self._whole(params, self.frozen)
        keys = jax.random.split(key, len(images))
        draw = jax.jit(jax.vmap(lambda x, k: self._decoded(whole, x, k)))
        mean, std = draw(images, keys)
        return {"deviations": picture([images, 5 * jnp.abs(images - mean), 5 * std])}

    def _whole(self, params, frozen) -> Any:
        if isinstance(self._first, CAE):
            return CAE(frozen | {"deviation": params}, self.model)
        top_down = frozen["top_down"] | {"deviation": params}
        return ConvVAE(frozen | {"top_down": top_down}, self.model)

    def _terms(self, params, frozen, images, key) -> tuple[jax.Array, jax.Array]:
        whole = self._whole(params, jax.lax.stop_gradient(frozen))
        keys = jax.random.split(key, len(images))
        mean, std = jax.vmap(lambda x, k: self._decoded(whole, x, k))(images, keys)
        nats = jnp.square((images - mean) / std) / 2 + jnp.log(std)
        return nats.mean(), std.mean()

    def _decoded(self, whole, image, key) -> tuple[jax.Array, jax.Array]:
        """D(z) and sigma(z) of a draw of q(z | x); of a `CAE` at a random rate."""
        shape = image.shape[:2]
        if isinstance(whole, ConvVAE):
            return whole.decode(whole.encode(image, key), shape)
        for_rate, for_noise = jax.random.split(key)
        rates = jnp.asarray(self.model.rates, jnp.float32)
        whole = replace(whole, rate=jax.random.choice(for_rate, rates))
        z = whole.encode(image)[1] + whole.noise(for_noise, shape)[1]
        return whole.decode(z, shape)


def _constant(decoder: dict, value: float) -> dict:
    """A decoder's parameters, the last layer changed so that it gives one value."""
    layers = decoder.get("layers", decoder)
    last = max(layers, key=lambda name: int(name.removeprefix("layer_")))

    def changed(path, leaf):
        keys = [getattr(step, "key", "") for step in path]
        if last not in keys:
            return leaf
        return jnp.full_like(leaf, value if keys[-1] == "bias" else 0.0)

    return jax.tree_util.tree_map_with_path(changed, decoder)


def _without_deviation(name: str) -> Any:
    if not name:
        raise InputError(
            "config.prior='': expected the trained autoencoder that gets a deviation, a"
            " .safetensors file"
        )
    prior = load_prior(name)
    if not isinstance(prior, (CAE, ConvVAE)) or prior.config.deviation:
        kind = type(prior).__name__
        raise InputError(
            f"config.prior={name!r}: is a {kind}"
            f"{' with a deviation' if isinstance(prior, (CAE, ConvVAE)) else ''},"
            " expected a CAE or a ConvVAE without; export one of these"
        )
    return prior
