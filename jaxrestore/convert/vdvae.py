"""OpenAI's VDVAE ``state_dict``, and the copy of it in PnP-HVAE."""

from collections.abc import Iterator
from itertools import count

import numpy as np

from jaxrestore.convert.tensors import (
    CHANNELS,
    MAP,
    Arrays,
    Shapes,
    Tensor,
    convolution,
    dense,
)
from jaxrestore.errors import InputError
from jaxrestore.parameters import real
from jaxrestore.priors.hvae.vdvae_config import PUBLISHED, VDVAEConfig

CONFIGS = PUBLISHED
SECTIONS = ()


def tensors(config: VDVAEConfig) -> Iterator[Tensor]:
    """The table of a network; see `tensors.Tensor`."""
    yield from convolution("encoder.in_conv", "bottom_up/stem", None, 3)
    names = (f"encoder.enc_blocks.{number}" for number in count())
    for i, stage in enumerate(config.encoder_stages):
        for j, name in zip(range(stage.count), names, strict=False):
            yield from _block(name, f"bottom_up/stage_{i}", j, stage.resolution)
    yield from _top_down(config)
    yield Tensor("decoder.gain", "top_down/head/gain", CHANNELS)
    yield Tensor("decoder.bias", "top_down/head/bias", CHANNELS)
    yield from dense("decoder.out_net.out_conv", "top_down/head/out_conv")


def _top_down(config: VDVAEConfig) -> Iterator[Tensor]:
    names = (f"decoder.dec_blocks.{number}" for number in count())
    for i, stage in enumerate(config.decoder_stages):
        side, here = stage.resolution, f"top_down/stage_{i}"
        for j, name in zip(range(stage.count), names, strict=False):
            yield from _block(f"{name}.enc", f"{here}/blocks/enc", j, side)
            yield from _block(f"{name}.prior", f"{here}/blocks/prior_block", j, side)
            yield from _block(f"{name}.resnet", f"{here}/blocks/resnet", j, side)
            yield from dense(f"{name}.z_proj", f"{here}/blocks/z_proj", j)
        if side <= config.no_bias_above:
            yield Tensor(f"decoder.bias_xs.{i}", f"{here}/bias", MAP)


def _block(name: str, path: str, index: int, side: int) -> Iterator[Tensor]:
    size = VDVAEConfig.kernel_at(side)
    yield from dense(f"{name}.c1", f"{path}/c1", index)
    yield from convolution(f"{name}.c2", f"{path}/c2", index, size)
    yield from convolution(f"{name}.c3", f"{path}/c3", index, size)
    yield from dense(f"{name}.c4", f"{path}/c4", index)


def without_buffers(arrays: Arrays, config: VDVAEConfig) -> dict:
    """Drop the constants that PnP-HVAE's copy keeps beside the weights.

    Raises:
        InputError: the encoder of ``config`` scales its pixels otherwise.
    """
    rest = dict(arrays)
    for name, value in (("shift", config.input_shift), ("scale", config.input_scale)):
        stored = real(rest.pop(name, np.asarray(value)), f"source: {name}")
        if stored.size != 1 or abs(stored.item() - value) > 1e-4 * abs(value):
            raise InputError(
                f"source: {name} is {stored.ravel()[:4]}, the config's input_{name}"
                f" {value:g}; pass the config of the checkpoint"
            )
    return rest


def infer(shapes: Shapes) -> VDVAEConfig | None:
    """The published config with these shapes, or None.

    The weights of a block do not tell at which side it works, so that only whole
    networks can be recognised.
    """
    found = [
        len({name.split(".")[2] for name in shapes if name.startswith(prefix)})
        for prefix in ("encoder.enc_blocks.", "decoder.dec_blocks.")
    ]
    for config in PUBLISHED.values():
        depth = sum(stage.count for stage in config.encoder_stages)
        if [depth, config.num_groups] == found:
            return config
    return None
