"""What a solver may ask of a prior."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax

from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True)
class Reconstruction:
    """The tempered reconstruction of one image (Algorithm 3, then the decoder).

    Attributes:
        mean: (H, W, C) decoder mean mu(z), in [0, 1] units.
        std: (H, W, C) standard deviation of p(x | z) that the decoder predicts,
            in [0, 1] units, positive; 0 of a flow, whose image is a function of z.
        latents: one array per latent group, the coarsest first.
        log_prior: (L,) log p(z_l | z_<l) of each group in nats, untempered, summed
            over the group's elements.
    """

    mean: jax.Array
    std: jax.Array
    latents: tuple[jax.Array, ...]
    log_prior: jax.Array


@pytree
@dataclass(frozen=True)
class TemperedDraw:
    """Latents of an image that were drawn, or are looked at as if they had been.

    Attributes:
        decoded: p(x | z) at the latents.
        noise: e, one array per group: z_l = m_l + s_l e_l with the mean and the
            deviation of q(z_l | z_<l, x) p(z_l | z_<l)^(1/tau_l^2 - 1).
        log_weight: (L,) log p_tau(z_l | z_<l) - log of that density at z_l, in nats,
            p_tau(z_l | z_<l) = N(mean, tau_l^2 variance) of the prior, both normalised.
    """

    decoded: Reconstruction
    noise: tuple[jax.Array, ...]
    log_weight: jax.Array


@runtime_checkable
class Reconstructs(Protocol):
    """An encoder and a decoder in one: what PnP-HVAE needs."""

    @property
    def num_groups(self) -> int:
        """L, the number of latent groups."""
        ...

    def reconstruct(
        self, image: jax.Array, temperature: Any, encoder_noise: Any = None
    ) -> Reconstruction:
        """Decode z = E_tau(image), Algorithm 3.

        Args:
            image: (H, W, C), [0, 1] units, of a size that the prior takes.
            temperature: tau in [0, 1], a scalar or (L,), the coarsest group first.
                1 gives the encoder's mean, 0 the prior's mean whatever the image.
            encoder_noise: noise level, [0, 1] units, that the encoder is told its
                input has; priors without such an input ignore it.
        """
        ...


@runtime_checkable
class Decodes(Protocol):
    """Latents with a density, and images of them: what descends in z needs."""

    @property
    def num_groups(self) -> int:
        """L, the number of latent groups."""
        ...

    def at(self, latents: Any, shape: tuple[int, int]) -> Reconstruction:
        """p(x | z) and log p(z_l | z_<l) at given latents, differentiable in them.

        Args:
            latents: one array per group, the coarsest first.
            shape: (H, W) of the image.
        """
        ...

    def prior_mean(self, shape: tuple[int, int]) -> Reconstruction:
        """The same where each z_l is the mean of p(z_l | z_<l)."""
        ...


@runtime_checkable
class Proposes(Protocol):
    """Draws of z given x, with their weights: what samplers of x and z need."""

    @property
    def num_groups(self) -> int:
        """L, the number of latent groups."""
        ...

    def latent_shapes(self, shape: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
        """Shape of each group's latent for images of (H, W)."""
        ...

    def skips(self, image: jax.Array, encoder_noise: Any = None) -> Any:
        """What the encoder makes of an image (H, W, C), for the two below."""
        ...

    def drawn(
        self, skips: Any, noise: Any, temperature: Any, shape: tuple[int, int]
    ) -> TemperedDraw:
        """The latents that standard normal noise, one array per group, makes.

        Args:
            skips: of the image.
            noise: one array per group.
            temperature: tau in (0, 1], a scalar or (L,).
            shape: (H, W) of the image.
        """
        ...

    def placed(
        self, skips: Any, latents: Any, temperature: Any, shape: tuple[int, int]
    ) -> TemperedDraw:
        """The same of given latents: `drawn(skips, placed(..., z).noise)` is at z."""
        ...


@runtime_checkable
class Density(Protocol):
    """An energy of images, low for good ones: critics, smoothed TV, flows."""

    def __call__(self, image: jax.Array) -> jax.Array:
        """(H, W, C) in [0, 1] units -> (), differentiable."""
        ...
