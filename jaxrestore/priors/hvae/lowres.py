"""A low-resolution encoder in front of a frozen VDVAE (CVDVAE, thesis chapter 6)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.parameters import params_sha256
from jaxrestore.priors.hvae.gaussian import Gaussian, from_log_std
from jaxrestore.priors.hvae.lowres_config import LowResConfig
from jaxrestore.priors.hvae.rules import (
    Below,
    LatentRule,
    PosteriorSample,
    PriorSample,
)
from jaxrestore.priors.hvae.stages import apply
from jaxrestore.priors.hvae.vdvae import VDVAE, layers
from jaxrestore.priors.hvae.vdvae_config import VDVAEConfig
from jaxrestore.priors.hvae.walk import Run, nothing, per_group, split, top_down
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True)
class LowResEncoder:
    """q(z_<k | y), for the k coarsest groups of a frozen VDVAE: a pytree.

    The encoder's own are a bottom-up path on y and the posterior blocks of k groups;
    all else of the top-down path (prior, latents' projections, residual blocks,
    biases, head) is the VDVAE's, which every method takes as an argument. Samples of

        p(x | y) = E_q(z_<k | y) p(x | z_<k)

    are plausible images for one small image y. All methods take one y, (h, w, C)
    float32 in [0, 1] of side ``config.size``; ``jax.vmap`` makes batches.

    Attributes:
        params: nested dicts of arrays, the encoder's own alone.
        config: static.
    """

    params: dict
    config: LowResConfig = field(metadata={"static": True})

    @classmethod
    def create(cls, config: LowResConfig, key: jax.Array) -> Self:
        """An encoder with fresh random parameters."""
        return cls(jax.jit(init_params, static_argnums=0)(config, key), config)

    @property
    def num_groups(self) -> int:
        """k, the number of groups that it predicts."""
        return self.config.num_groups

    def features(self, y: jax.Array) -> dict[int, jax.Array]:
        """What the bottom-up path makes of y: feature maps by their side."""
        config, side = self.config.small, self.config.size
        if y.shape != (side, side, config.image_channels):
            raise InputError(
                f"y: shape {y.shape}, expected {side}x{side}x{config.image_channels},"
                f" 1/{self.config.factor} of the prior's images of"
                f" {self.config.prior.image_size} pixels a side; crop or resize it,"
                " or take an encoder for another factor"
            )
        return VDVAE(self.params, config).skips(y)

    def sample(
        self,
        prior: VDVAE,
        features: dict[int, jax.Array],
        key: jax.Array,
        temperature: Any = 1.0,
        prior_temperature: Any = 1.0,
        groups: int | jax.Array | None = None,
        pixels: bool = False,
    ) -> jax.Array:
        """Draw from p(x | y): the decoder mean, (H, W, C) in [0, 1].

        Args:
            prior: the frozen VDVAE.
            features: of y, see :meth:`features`.
            temperature: tau of q(z_l | z_<l, y) = N(mean, tau_l^2 std^2), scalar or
                (L,).
            prior_temperature: of p(z_l | z_<l) from group k on.
            groups: how many groups come from y, at most k, may be traced; None: k.
            pixels: draw the pixels from p(x | z), too, not clipped.
        """
        shape, k = self.config.image_shape, self.num_groups
        below, above = split(prior.runs(None, shape), k)
        given = self.runs(below, features)
        walk = partial(top_down, collect=nothing, unroll=prior.config.unroll)
        rule: LatentRule = PosteriorSample(key, temperature)
        drawn = PriorSample(key, jnp.asarray(prior_temperature, jnp.float32))
        if groups is not None:
            rule = Below(groups, rule, drawn)
        stream, _ = walk(given, rule)
        stream, _ = walk(above, drawn, stream=stream, start=k)
        return prior.image(stream, shape, key if pixels else None)

    def divergence(
        self, prior: VDVAE, image: jax.Array, y: jax.Array, key: jax.Array
    ) -> jax.Array:
        """KL(q(z_<k | x) || q(z_<k | y)) by group, (k,) nats: thesis (6.12).

        By the chain rule the sum over l < k of the expectations, z_<l drawn from
        q(z_<l | x), of KL(q(z_l | z_<l, x) || q(z_l | z_<l, y)), each in closed form.
        The draws decide the stream, which does not depend on the encoder: one walk
        serves both encoders, and no gradient goes through it.

        Args:
            prior: the frozen VDVAE.
            image: x, (H, W, C) in [0, 1].
            y: its reduction.
            key: of the draws.
        """
        shape = self.config.image_shape
        path, _ = split(prior.runs(prior.skips(image), shape), self.num_groups)
        both = self.runs(path, self.features(y), beside=True)
        rule = _OfTeacher(PosteriorSample(key))
        _, kept = top_down(both, rule, _divergence, self.config.prior.unroll)
        return jnp.stack(per_group(kept))

    def check_prior(self, prior: VDVAE) -> None:
        """Refuse a VDVAE that the encoder was not trained for. Not for traced code."""
        self.check_architecture(prior)
        digest = params_sha256(prior)
        if digest != self.config.prior_sha256:
            raise InputError(
                "encoder: was trained for the prior with the parameters' SHA-256"
                f" {self.config.prior_sha256[:12]}..., this one has {digest[:12]}...;"
                " take the prior of its training or train it for this one"
            )

    def check_architecture(self, prior: VDVAE) -> None:
        """Refuse a VDVAE of another architecture; reads no values."""
        how = {"unroll": False, "compute_dtype": "float32"}  # computed, not what
        mine = replace(self.config.prior, **how)
        if not isinstance(prior, VDVAE) or replace(prior.config, **how) != mine:
            raise InputError(
                "encoder: was trained for another prior than this"
                f" {type(prior).__name__}, of another architecture; take the prior of"
                " its training"
            )

    def check_groups(self, groups: Any) -> None:
        """Refuse more groups than the encoder predicts, where the number is known."""
        if groups is None or isinstance(groups, jax.Array):
            return
        if groups not in range(self.num_groups + 1):
            raise InputError(
                f"groups={groups}: this encoder predicts {self.num_groups} of the"
                f" prior's {self.config.prior.num_groups} latent groups, expected 0 to"
                f" {self.num_groups}"
            )

    def runs(self, path: list[Run], features, beside: bool = False) -> list[Run]:
        """The frozen runs with q(z_l | z_<l, y), alone or beside their posterior."""
        table, result = layers(self.config.small), []
        for i, run in enumerate(path):
            block = table[f"top_down/stage_{i}/blocks"].module
            skip = features[run.latent_shape[0]]
            params = _first(run.count, self.params["posterior"][f"stage_{i}"])
            teacher = run.posterior if beside else None
            result.append(_run(run, params, partial(_posterior, block, skip), teacher))
        return result


def init_params(config: LowResConfig, key: jax.Array) -> dict:
    """Fresh parameters of an encoder as nested dicts of float32 arrays."""
    own = _own_part(config.small, VDVAE.init_params(config.small, key))
    left, posterior = config.num_groups, {}
    for i, stage in enumerate(config.small.decoder_stages):
        if left > 0:
            posterior[f"stage_{i}"] = _first(left, own["posterior"][f"stage_{i}"])
        left -= stage.count
    return own | {"posterior": posterior}


def _own_part(config: VDVAEConfig, params: dict) -> dict:
    """What an encoder has of its own, of a VDVAE's parameters."""
    stages = [f"stage_{i}" for i in range(len(config.decoder_stages))]
    blocks = {name: params["top_down"][name]["blocks"]["enc"] for name in stages}
    return {"bottom_up": params["bottom_up"], "posterior": blocks}


def _first(count: int, stacked: dict) -> dict:
    return jax.tree.map(lambda leaf: leaf[:count], stacked)


def start_from_prior(config: LowResConfig, own: dict, prior: dict) -> dict:
    """Put the blocks of the prior's encoder into a fresh one's.

    Args:
        config: the architecture.
        own: parameters, from `init_params`.
        prior: parameters of the frozen VDVAE. Where both encoders have a block, its
            leading channels, as many as both have, are taken from the prior's.
    """
    given = _own_part(config.prior, prior)
    theirs = {stage: i for i, stage in enumerate(config.prior.encoder_stages)}
    bottom_up = dict(own["bottom_up"])
    for i, stage in enumerate(config.small.encoder_stages):
        if stage in theirs:
            block = given["bottom_up"][f"stage_{theirs[stage]}"]
            bottom_up[f"stage_{i}"] = _corner(bottom_up[f"stage_{i}"], block)
    posterior = {
        name: _corner(stage, given["posterior"][name])
        for name, stage in own["posterior"].items()
    }
    return {"bottom_up": bottom_up, "posterior": posterior}


def _corner(fresh: dict, given: dict) -> dict:
    """The leading channels that both have come from `given`."""

    def place(new, old):
        common = tuple(map(min, new.shape, old.shape))
        corner = tuple(slice(n) for n in common)
        return jnp.asarray(new).at[corner].set(old[corner])

    return jax.tree.map(place, fresh, given)


class _Pair(NamedTuple):
    """Posteriors of one group, of the prior's encoder and of the own one."""

    teacher: Gaussian
    student: Gaussian


class _OfTeacher(NamedTuple):
    """A rule that sees the teacher's posterior."""

    rule: LatentRule
    uses_posterior = True

    def inputs(self, start, count, shape):
        return self.rule.inputs(start, count, shape)

    def __call__(self, inputs, prior, posterior):
        return self.rule(inputs, prior, posterior.teacher)


def _run(run: Run, params: dict, own: Callable, teacher: Callable | None) -> Run:
    """The frozen run with the encoder's posterior, alone or beside a teacher."""

    def posterior(both, h):
        student = own(both["own"], h)
        return _Pair(teacher(both["frozen"], h), student) if teacher else student

    return replace(
        run,
        params={"frozen": run.params, "own": params},
        prior=lambda both, h: run.prior(both["frozen"], h),
        posterior=posterior,
        merge=lambda both, h, z: run.merge(both["frozen"], h, z),
    )


def _posterior(block, skip, params: dict, h: jax.Array) -> Gaussian:
    return from_log_std(apply(block, {"enc": params}, h, skip, method="posterior"))


def _divergence(z, prior, posterior: Any) -> jax.Array:
    return posterior.student.kl_from(posterior.teacher)
