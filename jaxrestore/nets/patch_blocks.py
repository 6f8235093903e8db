"""The blocks of PatchVDVAE's two paths, free of any probability.

A top-down block splits into the three moves of the top-down walk: what the prior
says (`prior`), what the posterior says (`posterior`) and how a latent enters the
stream (`merge`). Statistics come out as ``2 * latent_channels`` raw channels.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrestore.nets.layers import Pointwise, ResidualCell, scaled_xavier


class TopDownBlock(nn.Module):
    """One latent group at one resolution.

    Attributes:
        filters: channels of the stream.
        latent_channels: channels of the latent.
        bottleneck: inner channels of the prior and residual cells.
        posterior_bottleneck: inner channels of the posterior cell.
        size: side of the kernels.
        output_scale: initial scale of the last weights of every cell.
        has_prior: False for the very first group, whose prior is N(0, I) and whose
            stream starts from its own latent.
        shortcut: the posterior's statistics also see the skip through one linear map.
    """

    filters: int
    latent_channels: int
    bottleneck: int
    posterior_bottleneck: int
    size: int
    output_scale: float
    has_prior: bool = True
    shortcut: bool = False

    def setup(self):
        def cell(features, bottleneck, residual=False):
            return ResidualCell(
                features, bottleneck, self.size, residual, self.output_scale
            )

        if self.has_prior:
            self.prior_net = cell(2 * self.filters, self.bottleneck)
            self.prior_projection = Pointwise(2 * self.latent_channels)
        self.posterior_net = cell(self.filters, self.posterior_bottleneck)
        self.posterior_projection = Pointwise(2 * self.latent_channels)
        if self.shortcut:
            self.posterior_shortcut = Pointwise(2 * self.latent_channels)
        self.z_projection = Pointwise(self.filters, scaled_xavier(self.output_scale))
        self.residual = cell(self.filters, self.bottleneck, residual=True)

    def prior(self, h: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(H, W, F) -> raw statistics (H, W, 2Z) and the residual (H, W, F)."""
        residual, features = jnp.split(self.prior_net(h), 2, axis=-1)
        return self.prior_projection(features), residual

    def posterior(self, h: jax.Array | None, skip: jax.Array) -> jax.Array:
        """Stream before the prior's residual, skip (H, W, S) -> raw (H, W, 2Z)."""
        inputs = skip if h is None else jnp.concatenate([h, skip], axis=-1)
        raw = self.posterior_projection(self.posterior_net(inputs))
        return raw + self.posterior_shortcut(skip) if self.shortcut else raw

    def merge(self, h: jax.Array | None, z: jax.Array) -> jax.Array:
        """Add the projected latent and run the residual cell."""
        z = self.z_projection(z)
        return self.residual(z if h is None else h + z)

    def __call__(self, h, skip, z):
        """Touch every parameter once; used only to initialise."""
        raw = self.posterior(h, skip)
        if h is not None:
            raw_prior, residual = self.prior(h)
            h, raw = h + residual, raw + raw_prior
        return self.merge(h, z), raw
