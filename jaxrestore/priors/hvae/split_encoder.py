"""A VDVAE whose coarse groups are proposed from a small noisy image."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrestore.priors.base import TemperedDraw
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.hvae.rules import LatentRule
from jaxrestore.priors.hvae.tempered import AtLatents, FromNoise, keep, weighed
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.priors.hvae.walk import per_group, split, top_down
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True)
class SplitVDVAE:
    """q(z_<k | y) of a low-resolution encoder, then q(z_l | z_<l, x) of the VDVAE.

    For super-resolution, ``Gibbs(SplitVDVAE(prior, encoder, y))``. The coarse
    groups are proposed as p(z_<k | y) knows them, x integrated out, so that they do not
    creep from one x to the next; finer ones follow x. ``blocks`` of `Gibbs` corrects
    for what the encoder does not know, its training without noise above all.

    Attributes:
        prior: the VDVAE that the encoder was trained for.
        encoder: of the k coarsest groups.
        y: small image that it sees, (h, w, C) in [0, 1].
    """

    prior: VDVAE
    encoder: LowResEncoder
    y: jax.Array

    @property
    def num_groups(self) -> int:
        """L, the prior's."""
        return self.prior.num_groups

    def latent_shapes(self, shape: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
        """Shape of each group's latent."""
        return self.prior.latent_shapes(shape)

    def skips(self, image: jax.Array, encoder_noise: Any = None) -> Any:
        """What both encoders see."""
        return self.prior.skips(image, encoder_noise), self.encoder.features(self.y)

    def drawn(self, skips, noise, temperature, shape) -> TemperedDraw:
        """Latents that noise makes, see `priors.base.Proposes`."""
        rule = FromNoise(tuple(noise), jnp.asarray(temperature, jnp.float32))
        return self._weighed(rule, skips, temperature, shape)

    def placed(self, skips, latents, temperature, shape) -> TemperedDraw:
        """Given latents as such a draw."""
        return self._weighed(AtLatents(tuple(latents)), skips, temperature, shape)

    def _weighed(self, rule: LatentRule, skips, temperature, shape) -> TemperedDraw:
        (own, features), k = skips, self.encoder.num_groups
        below, above = split(self.prior.runs(own, shape), k)
        unroll = self.prior.config.unroll
        coarse = self.encoder.runs(below, features)
        stream, first = top_down(coarse, rule, keep, unroll)
        stream, last = top_down(above, rule, keep, unroll, stream, k)
        groups = per_group(first) + per_group(last)
        return weighed(self.prior.moments(stream, shape), groups, temperature)
