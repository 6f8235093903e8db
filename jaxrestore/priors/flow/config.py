"""The configuration of a Glow."""

from dataclasses import dataclass

from jaxrestore.errors import InputError
from jaxrestore.nets.flow_steps import COUPLINGS
from jaxrestore.priors.config import NetworkConfig, channels, dtype, sizes
from jaxrestore.settings import choice, count, static


@dataclass(frozen=True)
class GlowConfig(NetworkConfig):
    """Architecture of a `Glow` (Kingma and Dhariwal 2018); defaults as published.

    Attributes:
        image_size: side of the images, the only one that the network takes.
        image_channels: 3 for colour, 1 for grey.
        steps: of flow in each block, the finest block first. Each block halves the
            sides; all but the last hand half of their channels to the latents.
        widths: channels of the coupling networks, one number for each block.
        coupling: "additive", "affine" or "affine_exp"; see `nets.flow_steps.Coupling`.
        mixing: of channels between the steps. "plu": a 1x1 convolution by its factors
            P (L + I) (U + diag(sign exp(w))); "plain": by its matrix;
            "plain_but_last": the last block by factors, what the released code of the
            analysis paper builds when asked for plain ones.
        compute_dtype: of the coupling networks; all else is float32.
    """

    image_size: int = static(64, count())
    image_channels: int = static(3, channels)
    steps: tuple[int, ...] = static((32,) * 4, sizes)
    widths: tuple[int, ...] = static((512,) * 4, sizes)
    coupling: str = static("additive", choice(*COUPLINGS))
    mixing: str = static("plu", choice("plu", "plain", "plain_but_last"))
    compute_dtype: str = static("float32", dtype)

    def __post_init__(self):
        super().__post_init__()
        blocks = len(self.steps)
        if len(self.widths) != blocks:
            raise InputError(
                f"model.widths={self.widths}: expected {blocks} numbers, one for each"
                f" block of model.steps={self.steps}"
            )
        if self.image_size % 2**blocks:
            raise InputError(
                f"model.image_size={self.image_size}: expected a multiple of"
                f" {2**blocks}, as each of the {blocks} blocks halves it"
            )

    @property
    def num_groups(self) -> int:
        """L, latent groups: one a block."""
        return len(self.steps)

    def by_factors(self, block: int) -> bool:
        """Whether a block's 1x1 convolutions are held by their factors."""
        last = block == self.num_groups - 1
        return self.mixing == "plu" or (last and self.mixing == "plain_but_last")

    def channels(self, block: int) -> int:
        """Of the maps inside a block."""
        return self.image_channels * 4 * 2**block

    def latent_shape(self, block: int) -> tuple[int, int, int]:
        """(h, w, Z) of what a block hands to the latents."""
        side, channels = self.image_size // 2 ** (block + 1), self.channels(block)
        last = block == self.num_groups - 1
        return side, side, channels if last else channels // 2
