"""What a solver may ask of a prior."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax


@jax.tree_util.register_dataclass
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
class Density(Protocol):
    """An energy of images, low for good ones: critics, smoothed TV, flows."""

    def __call__(self, image: jax.Array) -> jax.Array:
        """(H, W, C) in [0, 1] units -> (), differentiable."""
        ...
