"""The ``state_dict`` of VBLE's one-level VAEs ("vanilla" and "fcb")."""

import re
from collections.abc import Iterator

import numpy as np

from jaxrestore.convert.cae import TRANSPOSED
from jaxrestore.convert.tensors import (
    KERNEL,
    VECTOR,
    Arrays,
    Layout,
    Shapes,
    Tensor,
    affine,
)
from jaxrestore.errors import InputError
from jaxrestore.nets.norm import STATISTICS
from jaxrestore.nets.stack import Spec
from jaxrestore.priors.hvae.conv_vae import ConvVAEConfig, layers

CONFIGS = {
    "vanilla": ConvVAEConfig(),
    "fcb": ConvVAEConfig("fcb", latents=64),
}
SECTIONS = ("state_dict",)

# Second decoders (VBLE-xz) have no name in the released code; this is ours.
_SECOND = "sigma."
_BUFFERS = re.compile(r".*(num_batches_tracked|prior_scale)$")
_NORM = {"weight": "scale", "bias": "bias"} | {name: name for name in STATISTICS}


def tensors(config: ConvVAEConfig) -> Iterator[Tensor]:
    """The table of a network; see `tensors.Tensor`.

    Raises:
        InputError: of the ResNet-18, whose weights nobody published.
    """
    if config.form == "resnet":
        raise InputError(
            "config.form='resnet': no such checkpoint was published, expected one of"
            " conv, fcb; keep it in our own files (save_prior)"
        )
    down, up = layers(config)
    yield from _stack("encoder.layers", "bottom_up/layers", down)
    if config.form == "fcb":
        shape = (config.side, config.side, config.width)
        name = "encoder.bottleneck"
        yield Tensor(f"{name}.weight", "bottom_up/bottleneck/kernel", _inward(shape))
        yield Tensor(f"{name}.bias", "bottom_up/bottleneck/bias", VECTOR)
    yield Tensor("decoder.gamma_x", "top_down/gamma", VECTOR)
    yield from _decoder(config, "decoder", "top_down/decoder", up)
    if config.deviation:
        yield from _decoder(config, _SECOND + "decoder", "top_down/deviation", up)


def _decoder(config, name: str, path: str, up: Spec) -> Iterator[Tensor]:
    if config.form == "fcb":
        shape = (config.side, config.side, config.width)
        first = f"{name}.first_layer.0"
        yield Tensor(f"{first}.weight", f"{path}/first/kernel", _outward(shape))
        yield Tensor(f"{first}.bias", f"{path}/first/bias", _flat(shape))
    yield from _stack(f"{name}.layers", f"{path}/layers", up)


def _stack(name: str, path: str, spec: Spec) -> Iterator[Tensor]:
    for i, (kind, _) in enumerate(spec):
        here, there = f"{name}.{i}", f"{path}/layer_{i}"
        if kind == "norm":
            for theirs, ours in _NORM.items():
                yield Tensor(f"{here}.{theirs}", f"{there}/{ours}", VECTOR)
        elif kind in ("halve", "double"):
            layout = KERNEL if kind == "halve" else TRANSPOSED
            yield from affine(here, there, layout)


def _flat(shape: tuple[int, int, int]) -> Layout:
    """A vector over a map (C, H, W), and over (H, W, C)."""
    rows, columns, channels = shape
    return Layout(
        lambda a: a.reshape(channels, rows, columns).transpose(1, 2, 0).reshape(-1),
        lambda a: a.reshape(rows, columns, channels).transpose(2, 0, 1).reshape(-1),
    )


def _inward(shape) -> Layout:
    """Rows of outputs over such a map, and a matrix (map, outputs)."""
    one = _flat(shape)
    return Layout(
        lambda a: np.stack([one.ours(row) for row in a], 1),
        lambda a: np.stack([one.theirs(column) for column in a.T]),
    )


def _outward(shape) -> Layout:
    """(map, inputs) of theirs, and (inputs, map) of ours."""
    one = _flat(shape)
    return Layout(
        lambda a: np.stack([one.ours(column) for column in a.T]),
        lambda a: np.stack([one.theirs(row) for row in a], 1),
    )


def without_buffers(arrays: Arrays, config: ConvVAEConfig) -> Arrays:
    """The weights and the statistics of normalisation."""
    found = {name: a for name, a in arrays.items() if not _BUFFERS.match(name)}
    return {n: a for n, a in found.items() if n != _SECOND + "decoder.gamma_x"}


def infer(shapes: Shapes) -> ConvVAEConfig | None:
    """The config that the shapes tell, None where they do not fit together."""
    try:
        width, image_channels = shapes["encoder.layers.0.weight"][:2]
        form = "fcb" if "encoder.bottleneck.weight" in shapes else "conv"
        if form == "conv":
            latents, size = shapes["encoder.layers.9.weight"][0] // 2, 64
        else:
            outputs, inputs = shapes["encoder.bottleneck.weight"]
            latents, size = outputs // 2, 16 * round((inputs / width) ** 0.5)
        return ConvVAEConfig(
            form,
            width,
            latents,
            size,
            image_channels,
            deviation=any(name.startswith(_SECOND) for name in shapes),
        )
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        return None
