"""The shapes of a VDVAE in the published string grammar, and the published ones."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxrestore.errors import InputError
from jaxrestore.priors.config import NetworkConfig, channels, dtype
from jaxrestore.settings import count, flag, literal, number, sequence, static, text


class Stage(NamedTuple):
    """Consecutive blocks at one resolution.

    Attributes:
        resolution: side of the feature maps.
        count: number of blocks, at least 1.
        factor: of the average pooling behind the blocks (bottom-up), or of the
            upsampling in front of them (top-down); 1 is none.
    """

    resolution: int
    count: int
    factor: int = 1


def _variances(value: Any, name: str) -> tuple[float, ...] | None:
    return None if literal(value) is None else sequence(number(), length=2)(value, name)


@dataclass(frozen=True)
class VDVAEConfig(NetworkConfig):
    """Architecture of a VDVAE and the conventions of its pixels.

    ``enc_blocks`` and ``dec_blocks`` list blocks by the side R of their feature maps,
    separated by commas: ``RxN`` is N blocks, ``R`` one; ``RdK`` one block, then
    average pooling by K; ``RmM`` one block that first adds the upsampled stream of
    side M, that of the block before.

    Attributes:
        image_size: side of the images, the only one that the network takes.
        image_channels: 3 for colour, 1 for grey.
        width: channels of the feature maps.
        custom_widths: ``"side:channels,..."`` where they differ; may only grow
            towards the coarse end.
        enc_blocks, dec_blocks: the bottom-up and the top-down path.
        zdim: channels of every latent.
        num_mixtures: logistics of the mixture that describes a pixel.
        bottleneck: inner over outer channels of a block.
        no_bias_above: largest side whose stream starts from a learned map.
        low_bit: pixels are scored at 5 bits (the encoder sees 8).
        input_shift, input_scale: the encoder sees (raw + shift) * scale.
        input_factor: raw = clip(factor * x, 0, 255); 255, or 256 as in the released
            PnP-HVAE.
        mean_shift: added to the decoder's mean, [0, 1] units (PnP-HVAE adds 4/255 to
            a 5-bit network, which was trained on the lower edges of its bins).
        variance_range: least and largest decoder variance, [0, 1] units, or None.
        coupled_mean: mean and variance of the mixture with the colours properly
            coupled; False as released, which takes an uncoupled green for blue.
        exact_bins: bins of tiny probability are computed exactly instead of as density
            times width (the released rule, which does not quite sum to 1).
        compute_dtype: "float32" or "bfloat16"; parameters and statistics stay float32.
        unroll: run equal blocks without a loop (training on a CPU).
    """

    image_size: int = static(32, count())
    image_channels: int = static(3, channels)
    width: int = static(384, count())
    custom_widths: str = static("", text)
    enc_blocks: str = static("32x11,32d2,16x6,16d2,8x6,8d2,4x3,4d4,1x3", text)
    dec_blocks: str = static("1x1,4m1,4x2,8m4,8x5,16m8,16x10,32m16,32x21", text)
    zdim: int = static(16, count())
    num_mixtures: int = static(10, count())
    bottleneck: float = static(0.25, number())
    no_bias_above: int = static(64, count(0))
    low_bit: bool = static(False, flag)
    input_shift: float = static(-127.5, number())
    input_scale: float = static(1 / 64, number())
    input_factor: float = static(255.0, number())
    mean_shift: float = static(0.0, number())
    variance_range: tuple[float, float] | None = static(None, _variances)
    coupled_mean: bool = static(False, flag)
    exact_bins: bool = static(False, flag)
    compute_dtype: str = static("float32", dtype)
    unroll: bool = static(False, flag)

    def __post_init__(self):
        super().__post_init__()
        _check_path(self)

    @property
    def encoder_stages(self) -> tuple[Stage, ...]:
        """The bottom-up path, finest first."""
        stages = []
        for side, letter, value in _parse(self, "enc_blocks", "xd"):
            pools = letter == "d"
            stages.append(Stage(side, 1 if pools else value, value if pools else 1))
        return tuple(stages)

    @property
    def decoder_stages(self) -> tuple[Stage, ...]:
        """The top-down path, coarsest first, one stage a resolution."""
        stages: list[Stage] = []
        for side, letter, value in _parse(self, "dec_blocks", "xm"):
            last = stages[-1] if stages else None
            if letter == "m":
                if last is None or last.resolution != value or side % value:
                    raise _error(self, "dec_blocks", f"{value} before {side}m{value}")
                stages.append(Stage(side, 1, side // value))
            elif last is None:
                stages.append(Stage(side, value))
            elif last.resolution == side:
                stages[-1] = last._replace(count=last.count + value)
            else:
                raise _error(self, "dec_blocks", f"{side}m{last.resolution} first")
        return tuple(stages)

    @property
    def num_groups(self) -> int:
        """L, the number of latent groups."""
        return sum(stage.count for stage in self.decoder_stages)

    @property
    def levels(self) -> int:
        """Number of values of a pixel as the decoder scores it."""
        return 32 if self.low_bit else 256

    def width_at(self, resolution: int) -> int:
        """Channels of the feature maps of a side."""
        entries = [e.strip() for e in self.custom_widths.split(",") if e.strip()]
        if not all(re.fullmatch(r"\d+:[1-9]\d*", entry) for entry in entries):
            raise _error(self, "custom_widths", "'side:channels,...'")
        pairs = (entry.split(":") for entry in entries)
        return {int(s): int(c) for s, c in pairs}.get(resolution, self.width)

    def inner_at(self, resolution: int) -> int:
        """Inner channels of the blocks of a side."""
        return max(int(self.width_at(resolution) * self.bottleneck), 1)

    @staticmethod
    def kernel_at(resolution: int) -> int:
        """Side of the kernels of a side's blocks."""
        return 3 if resolution > 2 else 1


def _error(config: VDVAEConfig, name: str, expected: str) -> InputError:
    value = getattr(config, name)
    return InputError(f"model.{name}={value!r}: expected {expected}")


def _parse(config: VDVAEConfig, name: str, letters: str):
    """(side, letter, number) of every entry; a bare side reads as ``sidex1``."""
    for entry in getattr(config, name).split(","):
        match = re.fullmatch(r"(\d+)(?:([xdm])([1-9]\d*))?", entry.strip())
        if match is None or (match[2] or "x") not in letters:
            forms = ", ".join(f"R{letter}N" for letter in letters)
            raise _error(config, name, f"entries R, {forms}, not {entry.strip()!r}")
        yield int(match[1]), match[2] or "x", int(match[3] or 1)


def _check_path(config: VDVAEConfig) -> None:
    side, seen = config.image_size, {config.image_size}
    for stage in config.encoder_stages:
        if stage.resolution != side or side % stage.factor:
            raise _error(config, "enc_blocks", f"blocks of side {side} next")
        side //= stage.factor
        seen.add(side)
    sides = [stage.resolution for stage in config.decoder_stages]
    if sides[-1] != config.image_size or not seen.issuperset(sides):
        raise _error(
            config, "dec_blocks", f"sides of enc_blocks, the last {config.image_size}"
        )
    widths = [config.width_at(side) for side in sorted(seen, reverse=True)]
    if widths != sorted(widths):
        raise _error(config, "custom_widths", "no fewer channels at a coarser side")


PUBLISHED: dict[str, VDVAEConfig] = {
    "cifar10": VDVAEConfig(input_shift=-120.63838, input_scale=1 / 64.16736),
    "imagenet32": VDVAEConfig(
        width=512,
        enc_blocks="32x15,32d2,16x9,16d2,8x8,8d2,4x6,4d4,1x6",
        dec_blocks="1x2,4m1,4x4,8m4,8x9,16m8,16x19,32m16,32x40",
        input_shift=-116.2373,
        input_scale=1 / 69.37404,
    ),
    "imagenet64": VDVAEConfig(
        image_size=64,
        width=512,
        enc_blocks="64x11,64d2,32x20,32d2,16x9,16d2,8x8,8d2,4x7,4d4,1x5",
        dec_blocks="1x2,4m1,4x3,8m4,8x7,16m8,16x15,32m16,32x31,64m32,64x12",
        input_shift=-115.92961967,
        input_scale=1 / 69.37404,
    ),
    # As PnP-HVAE uses it; it was trained with input_factor 255.
    "ffhq256": VDVAEConfig(
        image_size=256,
        width=512,
        enc_blocks="256x3,256d2,128x8,128d2,64x12,64d2,32x17,32d2,16x7,16d2,8x5,8d2,"
        "4x5,4d4,1x4",
        dec_blocks="1x2,4m1,4x3,8m4,8x4,16m8,16x9,32m16,32x21,64m32,64x13,128m64,"
        "128x7,256m128",
        low_bit=True,
        input_shift=-112.8666757481,
        input_scale=1 / 69.84780273,
        input_factor=256.0,
        mean_shift=4 / 255,
        variance_range=(0.004, 0.5),
    ),
    "ffhq1024": VDVAEConfig(
        image_size=1024,
        width=16,
        custom_widths="512:32,256:64,128:512,64:512,32:512,16:512,8:512,4:512,1:512",
        enc_blocks="1024x1,1024d2,512x3,512d2,256x5,256d2,128x7,128d2,64x10,64d2,32x14,"
        "32d2,16x7,16d2,8x5,8d2,4x5,4d4,1x4",
        dec_blocks="1x2,4m1,4x3,8m4,8x4,16m8,16x9,32m16,32x20,64m32,64x14,128m64,"
        "128x7,256m128,256x2,512m256,1024m512",
        num_mixtures=2,
        input_shift=-0.4387 * 255,
        input_scale=1 / (0.2743 * 255),
    ),
}
