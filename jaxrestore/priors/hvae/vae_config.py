"""The shape of a plain VAE."""

from dataclasses import dataclass
from typing import ClassVar

from jaxrestore.errors import InputError
from jaxrestore.priors.hvae.config import NetworkConfig


@dataclass(frozen=True)
class VAEConfig(NetworkConfig):
    """Architecture of a plain convolutional VAE.

    Attributes:
        image_size: side of the images, the only one that the network takes.
        image_channels: 3 for colour, 1 for grey.
        widths: channels after each halving of the sides.
        latent_dim: D, dimension of z ~ N(0, I).
        initial_std: gamma before training, [0, 1] units; it is learned.
    """

    image_size: int = 64
    image_channels: int = 1
    widths: tuple[int, ...] = (32, 64, 96, 128)
    latent_dim: int = 64
    initial_std: float = 0.2

    num_groups: ClassVar[int] = 1
    unroll: ClassVar[bool] = False

    def __post_init__(self):
        widths = tuple(int(width) for width in self.widths)
        object.__setattr__(self, "widths", widths)
        if not widths or min(widths) < 1:
            raise InputError(f"model.widths={widths}: expected positive integers")
        if self.image_channels not in (1, 3):
            raise InputError(
                f"model.image_channels={self.image_channels}: expected 3 or 1 (grey)"
            )
        if self.image_size < 1 or self.image_size % 2 ** len(widths):
            raise InputError(
                f"model.image_size={self.image_size}: expected a multiple of"
                f" {2 ** len(widths)}, as each of the {len(widths)} widths halves it"
            )
        if self.latent_dim < 1:
            raise InputError(f"model.latent_dim={self.latent_dim}: expected 1 or more")
        if not self.initial_std > 0:
            raise InputError(f"model.initial_std={self.initial_std}: expected > 0")

    @property
    def stride(self) -> int:
        """The latent sees the whole image."""
        return self.image_size
