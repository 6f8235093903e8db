"""Recipe of CVDVAE: a low-resolution encoder in front of a frozen VDVAE."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax.contrib import reduce_on_plateau

from jaxrestore.errors import InputError
from jaxrestore.metrics import psnr
from jaxrestore.operators import kernels
from jaxrestore.parameters import params_sha256
from jaxrestore.priors.hvae import lowres
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.hvae.lowres_config import LowResConfig
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.priors.weights import load_prior
from jaxrestore.report.summary import array_hash
from jaxrestore.settings import choice, count, number, setting, text
from jaxrestore.training import sharding
from jaxrestore.training.recipe import Recipe
from jaxrestore.training.recipes.hvae import (
    ClippedCosine,
    cells_muon,
    picture,
    unrolled,
    warmed_up_cosine,
)

_KINDS = {"adam": optax.adam, "muon": cells_muon}
_SHEET_SAMPLES = 3
_SHEET_TEMPERATURE = 0.8


@dataclass(frozen=True)
class EncoderModel:
    """The `model` section, see `LowResConfig`."""

    factor: int = setting(4, count(), "of super-resolution")
    groups: int = setting(0, count(0), "predicted; 0: all with maps no larger than y")
    enc_blocks: str = setting("", text, "bottom-up path from y; empty: the prior's")
    bottleneck: float = setting(0.0, number(0), "of its blocks; 0: the prior's")
    kernel: str = setting("", text, "file of the blur; empty: antialiased bicubic")


@dataclass(frozen=True)
class PlateauCosine(ClippedCosine):
    """The `optimizer` section."""

    name: str = setting("adam", choice(*_KINDS), "muon: of the cells")
    patience: int = setting(
        3, count(), "validations without progress, then a tenth of the rate"
    )


class Plateau:
    """`optax.contrib.reduce_on_plateau`, told the loss at validations alone.

    Its state is a part of the optimiser's, so that a resumed run decides alike.

    Args:
        patience: validations without a new best before the rate is divided by ten.
    """

    def __init__(self, patience: int):
        self._rule = reduce_on_plateau(
            factor=0.1, patience=patience, rtol=1e-3, min_scale=1e-3
        )
        self.transformation = optax.GradientTransformation(self._rule.init, _scaled)

    def advance(self, state: Any, loss: Any) -> Any:
        """The state after a validation with this loss."""
        return self._rule.update((), state, value=loss)[1]


def _scaled(updates, state, params=None):
    return jax.tree.map(lambda update: state.scale * update, updates), state


class CVDVAERecipe(Recipe):
    """Training of a `LowResEncoder` to match the encoder of its VDVAE.

    Minimises, by Adam, for x of the data and y = H x,

        KL(q(z_<k | x) || q(z_<k | y)) / (H W C)        thesis (6.12), nats

    with the VDVAE, ``config.prior``, frozen. The learning rate warms up and follows a
    cosine (the thesis': constant, ``final_learning_rate`` equal to
    ``learning_rate``), times a tenth for each plateau of the validation loss.

    Raises:
        InputError: no such prior, or settings that do not fit it.
    """

    prior, Model, Optimizer = LowResEncoder, EncoderModel, PlateauCosine
    dtype, reads_validation = "float16", True

    def __init__(self, config):
        super().__init__(config)
        prior = _vdvae(config.prior)
        digest = params_sha256(prior)
        self.frozen = prior.params
        settings = asdict(config.model)
        if path := settings.pop("kernel"):
            settings["kernel"] = kernels.load_kernel(path).tolist()
        self.model = LowResConfig.from_dict(
            settings | {"prior": prior.config.to_dict(), "prior_sha256": digest}
        )
        size, channels = prior.config.image_size, prior.config.image_channels
        config.data.require(f"{config.prior} takes", patch_size=size, channels=channels)
        if not config.data.val:
            raise InputError(
                "config.data.val='': expected images to validate on, whose loss decides"
                " when the learning rate falls"
            )
        self._operator = self.model.operator()
        weights = array_hash(self._operator.kernel)
        self.identity = {"prior": digest, "model.kernel": weights}
        self._plateau = Plateau(config.optimizer.patience)
        self._draw = jax.jit(self._samples)

    def init(self, key):
        return lowres.init_params(self.model, key)

    def warm_start(self, params, first_batch):
        """Begin with the blocks of the VDVAE's own encoder."""
        own = sharding.to_host(params)
        return lowres.start_from_prior(self.model, own, self.frozen)

    def optimizer(self, config) -> optax.GradientTransformation:
        """Adam or `cells_muon`, scaled down at plateaus of the validation loss."""
        return optax.chain(
            optax.clip_by_global_norm(config.optimizer.clip_norm),
            _KINDS[config.optimizer.name](warmed_up_cosine(config)),
            self._plateau.transformation,
        )

    def validated(self, opt_state, metrics):
        """Has the loss stopped falling?"""
        return (*opt_state[:-1], self._plateau.advance(opt_state[-1], metrics["kl"]))

    def loss(self, params, batch, key, step, frozen=None):
        model = replace(self.model, prior=unrolled(self.model.prior))
        kl = self._divergences(params, frozen, batch, key, model)
        loss = kl.sum(1).mean() / batch["image"][0].size
        return loss, {"kl": loss}

    def evaluate(self, params, batch, key, frozen=None):
        """The loss, its coarse half, and PSNR of one sample at temperature 0.8."""
        images = batch["image"]
        draw_key, kl_key = jax.random.split(key)
        kl = self._divergences(params, frozen, batch, kl_key, self.model)
        kl /= images[0].size
        samples = self._samples(params, frozen, images, draw_key)
        coarse = kl[:, : kl.shape[1] // 2]
        return {
            "kl": kl.sum(1).mean(),
            "kl_coarse_groups": coarse.sum(1).mean(),
            "psnr": jax.vmap(psnr)(samples, images).mean(),
        }

    def sheets(self, params, batch, key):
        """What is seen, samples of what may have been, and what was, row by row."""
        images = batch["image"][:8]
        keys = jax.random.split(key, _SHEET_SAMPLES)
        samples = [self._draw(params, self.frozen, images, k) for k in keys]
        factor = self.model.factor
        seen = np.asarray(jax.vmap(self._operator)(jnp.asarray(images)))
        seen = seen.repeat(factor, 1).repeat(factor, 2)
        return {"samples": picture([seen, *samples, images])}

    def _samples(self, params, frozen, images, key) -> jax.Array:
        encoder = LowResEncoder(params, self.model)
        prior = VDVAE(frozen, self.model.prior)
        tau = _SHEET_TEMPERATURE

        def draw(image, key):
            features = encoder.features(self._operator(image))
            return encoder.sample(prior, features, key, tau, tau)

        return jax.vmap(draw)(images, jax.random.split(key, len(images)))

    def _divergences(self, params, frozen, batch, key, model) -> jax.Array:
        """KL by group, (B, k) nats."""
        encoder = LowResEncoder(params, model)
        prior, images = VDVAE(frozen, self.model.prior), batch["image"]
        y = jax.vmap(self._operator)(images)
        keys = jax.random.split(key, len(images))
        return jax.vmap(partial(encoder.divergence, prior))(images, y, keys)


def _vdvae(name: str) -> VDVAE:
    if not name:
        raise InputError(
            "config.prior='': expected the VDVAE whose encoder is matched, a bundled"
            " name such as vdvae-faces64 or a .safetensors file"
        )
    prior = load_prior(name)
    if not isinstance(prior, VDVAE):
        raise InputError(
            f"config.prior={name!r}: is a {type(prior).__name__}, expected a VDVAE such"
            " as vdvae-faces64"
        )
    return prior
