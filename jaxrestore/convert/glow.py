"""The ``state_dict`` of rosinality's Glow, as the analysis paper's code builds it."""

import re
from collections.abc import Iterator

import numpy as np

from jaxrestore.convert.tensors import (
    CHANNELS,
    KERNEL,
    VECTOR,
    Arrays,
    Layout,
    Shapes,
    Tensor,
    blocks,
)
from jaxrestore.errors import InputError
from jaxrestore.priors.flow.config import GlowConfig

CONFIGS = {"published": GlowConfig()}
SECTIONS = ()


def _permutation(order: np.ndarray) -> np.ndarray:
    return np.eye(len(order), dtype=np.float32)[order.astype(int)]


_ORDER = Layout(lambda array: array.argmax(1).astype(np.float32), _permutation)
_MATRIX = Layout(lambda array: array[:, :, 0, 0], lambda array: array[:, :, None, None])


def tensors(config: GlowConfig) -> Iterator[Tensor]:
    """The table of a network; see `tensors.Tensor`.

    Raises:
        InputError: the original code has no such network.
    """
    if config.coupling == "affine_exp" or config.mixing == "plain":
        raise InputError(
            f"config: coupling={config.coupling!r}, mixing={config.mixing!r}: the"
            " original code has no such Glow; it has additive and affine couplings,"
            " mixed by plu or plain_but_last"
        )
    for block, count in enumerate(config.steps):
        path = f"block_{block}/steps"
        for i in range(count):
            name = f"blocks.{block}.flows.{i}"
            yield from _step(config.by_factors(block), name, path, i)
        prior = f"blocks.{block}.prior"
        yield from _zero_convolution(prior, f"block_{block}/prior", None)


def _step(by_factors: bool, name: str, path: str, i: int) -> Iterator[Tensor]:
    for part in ("loc", "scale"):
        yield Tensor(f"{name}.actnorm.{part}", f"{path}/actnorm/{part}", CHANNELS, i)
    theirs, ours = f"{name}.invconv", f"{path}/mixing"
    if by_factors:
        yield Tensor(f"{theirs}.w_p", f"{ours}/order", _ORDER, i)
        yield Tensor(f"{theirs}.w_l", f"{ours}/lower", VECTOR, i)
        yield Tensor(f"{theirs}.w_u", f"{ours}/upper", VECTOR, i)
        yield Tensor(f"{theirs}.w_s", f"{ours}/log_scale", VECTOR, i)
        yield Tensor(f"{theirs}.s_sign", f"{ours}/sign", VECTOR, i)
    else:
        yield Tensor(f"{theirs}.weight", f"{ours}/matrix", _MATRIX, i)
    theirs, ours = f"{name}.coupling.net", f"{path}/net"
    for number, part, layout in ((0, "first", KERNEL), (2, "second", blocks(1))):
        kernel = f"{theirs}.{number}.weight"
        yield Tensor(kernel, f"{ours}/{part}_kernel", layout, i)
        yield Tensor(f"{theirs}.{number}.bias", f"{ours}/{part}_bias", VECTOR, i)
    yield from _zero_convolution(f"{theirs}.4", f"{ours}/last", i)


def _zero_convolution(name: str, path: str, index: int | None) -> Iterator[Tensor]:
    yield Tensor(f"{name}.conv.weight", f"{path}/kernel", KERNEL, index)
    yield Tensor(f"{name}.conv.bias", f"{path}/bias", VECTOR, index)
    yield Tensor(f"{name}.scale", f"{path}/scale", CHANNELS, index)


def buffers(config: GlowConfig) -> dict[str, np.ndarray]:
    """The constants that the original code keeps beside the weights."""
    found = {}
    for block, count in enumerate(config.steps):
        ones = np.ones((config.channels(block),) * 2, np.float32)
        for i in range(count):
            name = f"blocks.{block}.flows.{i}"
            found[f"{name}.actnorm.initialized"] = np.array(1, np.uint8)
            if config.by_factors(block):
                found[f"{name}.invconv.u_mask"] = np.triu(ones, 1)
                found[f"{name}.invconv.l_mask"] = np.tril(ones, -1)
                found[f"{name}.invconv.l_eye"] = np.eye(len(ones), dtype=np.float32)
    return found


def without_buffers(arrays: Arrays, config: GlowConfig) -> dict:
    """Drop those constants.

    Raises:
        InputError: one has another value: of a network that has seen no images, say.
    """
    rest = dict(arrays)
    for name, value in buffers(config).items():
        if name in rest and not np.array_equal(rest.pop(name), value):
            raise InputError(
                f"source: {name} is not what it is in trained networks; take the"
                " state_dict of a trained one, or other settings of the config"
            )
    return rest


def infer(shapes: Shapes) -> GlowConfig | None:
    """The config that the shapes tell, of 64x64 images: they do not tell the size."""
    count = 1 + _last(shapes, r"blocks\.(\d+)\.")
    try:
        names = [f"blocks.{block}.flows" for block in range(count)]
        nets = [f"{name}.0.coupling.net" for name in names]
        first = shapes[f"{nets[0]}.0.weight"]
        out = shapes[f"{nets[0]}.4.conv.weight"][0]
        plain = f"{names[0]}.0.invconv.weight" in shapes
        return GlowConfig(
            image_channels=first[1] // 2,
            steps=tuple(
                1 + _last(shapes, rf"{re.escape(name)}\.(\d+)\.") for name in names
            ),
            widths=tuple(shapes[f"{net}.0.weight"][0] for net in nets),
            coupling="additive" if out == first[1] else "affine",
            mixing="plain_but_last" if plain else "plu",
        )
    except (KeyError, IndexError, ValueError):
        return None


def _last(shapes: Shapes, pattern: str) -> int:
    """The largest number at the start of names, -1 if there is none."""
    found = (re.match(pattern, name) for name in shapes)
    return max((int(match[1]) for match in found if match), default=-1)
