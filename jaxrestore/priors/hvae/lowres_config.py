"""The shape of a low-resolution encoder, which borrows most from its VDVAE."""

import re
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.operators import Downsample
from jaxrestore.priors.config import NetworkConfig
from jaxrestore.priors.hvae.vdvae_config import VDVAEConfig
from jaxrestore.settings import count, number, sequence, static, text


def _prior(value: Any, name: str) -> VDVAEConfig:
    return value if isinstance(value, VDVAEConfig) else VDVAEConfig.from_dict(value)


@dataclass(frozen=True)
class LowResConfig(NetworkConfig):
    """Architecture of a `LowResEncoder`.

    Attributes:
        prior: of the frozen VDVAE.
        prior_sha256: of the frozen VDVAE's parameters, `parameters.params_sha256`.
        factor: y has 1 / factor of the image's height and width.
        groups: k, how many latent groups are predicted from y; 0 for all whose maps
            are no larger than y, the thesis' rule.
        enc_blocks: the bottom-up path from y, in `VDVAEConfig`'s grammar; "" for the
            prior's own from that size on.
        bottleneck: inner over outer channels of the encoder's blocks, 0 for the
            prior's.
        kernel: rows of the blur before the decimation that makes y, () for the
            antialiased bicubic one.
    """

    prior: VDVAEConfig = static(None, _prior)
    prior_sha256: str = static("", text)
    factor: int = static(4, count())
    groups: int = static(0, count(0))
    enc_blocks: str = static("", text)
    bottleneck: float = static(0.0, number())
    kernel: tuple[tuple[float, ...], ...] = static(
        (), sequence(sequence(number()), least=0)
    )

    def __post_init__(self):
        super().__post_init__()
        size = self.prior.image_size
        sides = {stage.resolution for stage in self.prior.decoder_stages}
        reached = [size // side for side in sorted(sides - {size}, reverse=True)]
        if not self.kernel:  # the bicubic one, of that side, must fit into the image
            reached = [factor for factor in reached if 5 * factor - 2 <= size]
        if self.factor not in reached:
            raise InputError(
                f"model.factor={self.factor}: this VDVAE has no maps of that size,"
                f" expected one of {', '.join(map(str, reached))}"
            )
        if not 0 <= self.groups <= self.small.num_groups:
            raise InputError(
                f"model.groups={self.groups}: expected 1 to {self.small.num_groups},"
                f" the groups whose maps are no larger than y ({self.size} pixels"
                " a side), or 0 for all of them"
            )

    @property
    def size(self) -> int:
        """Side of y."""
        return self.prior.image_size // self.factor

    @property
    def image_shape(self) -> tuple[int, int]:
        """(H, W) of the images."""
        return self.prior.image_size, self.prior.image_size

    @property
    def num_groups(self) -> int:
        """k."""
        return self.groups or self.small.num_groups

    @property
    def small(self) -> VDVAEConfig:
        """A VDVAE of images of y's size, whose posterior the encoder is."""
        fits = lambda entry: _side(entry) <= self.size  # noqa: E731
        blocks = {
            name: ",".join(filter(fits, getattr(self.prior, name).split(",")))
            for name in ("enc_blocks", "dec_blocks")
        }
        return replace(
            self.prior,
            image_size=self.size,
            enc_blocks=self.enc_blocks or blocks["enc_blocks"],
            dec_blocks=blocks["dec_blocks"],
            bottleneck=self.bottleneck or self.prior.bottleneck,
        )

    def operator(self) -> Downsample:
        """What makes y of an image."""
        if not self.kernel:
            return Downsample.bicubic(self.factor)
        return Downsample(jnp.asarray(self.kernel), self.factor)


def _side(entry: str) -> int:
    """R of an entry "RxN", "RdN", "RmN" or "R" of a path."""
    return int(re.split("[xdm]", entry)[0])
