"""The shapes of a PatchVDVAE, and the published ones."""

from dataclasses import dataclass
from typing import Any

from jaxrestore.errors import InputError
from jaxrestore.priors.config import NetworkConfig, channels, dtype, sizes
from jaxrestore.settings import count, flag, number, sequence, static


def _odd(value: Any, name: str) -> int:
    size = count()(value, name)
    if size % 2 == 0:
        raise InputError(f"{name}={value}: expected odd sizes")
    return size


@dataclass(frozen=True)
class PatchVDVAEConfig(NetworkConfig):
    """Architecture of a PatchVDVAE; every tuple runs over levels, coarsest first.

    Attributes:
        strides: how many times finer a level is than the one before (the first is 1).
        groups: latent groups of each level.
        deterministic: residual cells without a latent after each group of a level, as
            large as a group's block (thesis, table 5.4): a level of 2 groups with 2
            each has the depth and, within a percent, the parameters of one of 6.
            Empty: none.
        cells: residual cells of each level of the bottom-up path.
        top_down_filters, bottom_up_filters: channels of the two streams.
        kernel_sizes: sides of the kernels of each level, odd.
        latent_channels: channels of every latent.
        skip_filters: channels handed from the bottom-up to the top-down path.
        bottleneck_ratio: inner over outer channels of a residual cell.
        posterior_ratio: inner over incoming channels of a posterior cell (twice that
            for the very first, which sees the skip alone).
        posterior_shortcut: add a linear map of the skip to the posterior's statistics
            (not in the published network): pixels reach the latents from the first
            step on, which shortens the training of a small network.
        patch: side of the pixel blocks gathered into channels before the network and
            spread again behind it; 1 is the published network, 2 makes the finest
            level half resolution and a step four times cheaper.
        image_channels: 3 for colour, 1 for grey.
        decoder_std: None if the decoder predicts a standard deviation per pixel and
            channel, else the fixed one ([0, 1] units).
        noise_input: the encoder also sees a constant map of its input's noise level
            (a network trained for denoising at known level).
        compute_dtype: "float32" or "bfloat16"; parameters and statistics stay float32.
        unroll: run equal blocks without a loop (training on a CPU).
    """

    strides: tuple[int, ...] = static((1, 4, 2, 2, 2, 2), sizes)
    groups: tuple[int, ...] = static((6,) * 6, sizes)
    cells: tuple[int, ...] = static((5,) * 6, sizes)
    top_down_filters: tuple[int, ...] = static((256,) * 6, sizes)
    bottom_up_filters: tuple[int, ...] = static((256,) * 5 + (128,), sizes)
    kernel_sizes: tuple[int, ...] = static((1, 3, 3, 3, 3, 3), sequence(_odd))
    deterministic: tuple[int, ...] = static((), sequence(count(0), 0))
    latent_channels: int = static(16, count())
    skip_filters: int = static(64, count())
    bottleneck_ratio: float = static(0.25, number())
    posterior_ratio: float = static(0.125, number())
    posterior_shortcut: bool = static(False, flag)
    patch: int = static(1, count())
    image_channels: int = static(3, channels)
    decoder_std: float | None = static(None, number(none=True))
    noise_input: bool = static(False, flag)
    compute_dtype: str = static("float32", dtype)
    unroll: bool = static(False, flag)

    def __post_init__(self):
        super().__post_init__()
        levels = len(self.strides)
        for name, value in vars(self).items():
            if isinstance(value, tuple) and value and len(value) != levels:
                raise InputError(
                    f"model.{name}={value}: expected {levels} values, one per level as"
                    " in model.strides"
                )
        if self.strides[0] != 1:
            raise InputError(
                f"model.strides={self.strides}: expected 1 first (the coarsest level)"
            )

    @property
    def num_groups(self) -> int:
        """L, the number of latent groups."""
        return sum(self.groups)

    @property
    def followers(self) -> tuple[int, ...]:
        """`deterministic` of each level."""
        return self.deterministic or (0,) * len(self.strides)

    @property
    def depth(self) -> int:
        """Top-down blocks, those without a latent among them."""
        both = zip(self.groups, self.followers, strict=True)
        return sum(groups * (1 + cells) for groups, cells in both)

    @property
    def factors(self) -> tuple[int, ...]:
        """Image pixels per latent pixel, along one side, of each level."""
        factors, factor = [], self.patch
        for stride in reversed(self.strides):
            factors.append(factor)
            factor *= stride
        return tuple(reversed(factors))

    @property
    def stride(self) -> int:
        """Image sides are padded to a multiple of this."""
        return self.factors[0]


def published() -> PatchVDVAEConfig:
    """The released network: 36 groups, 16 latents, 14,770,942 parameters."""
    return PatchVDVAEConfig()


def thesis() -> PatchVDVAEConfig:
    """The network of the thesis' appendix A.2.1: 30 groups of 12 latents."""
    return PatchVDVAEConfig(
        groups=(5,) * 6, bottom_up_filters=(256,) * 6, latent_channels=12
    )
