"""The ``state_dict`` of CompressAI's autoencoders with a hyperprior."""

import re
from collections.abc import Iterator

import numpy as np

from jaxrestore.convert.tensors import (
    KERNEL,
    VECTOR,
    Arrays,
    Layout,
    Shapes,
    Tensor,
    affine,
    convolution,
    dense,
)
from jaxrestore.nets.stack import FIXED, Spec
from jaxrestore.priors.cae.config import CAEConfig, layers, published
from jaxrestore.priors.cae.density import WIDTHS

CONFIGS = published()
SECTIONS = ("state_dict",)

# What is computed from the weights, or is the same in every network.
_BUFFERS = re.compile(
    r".*(_offset|_quantized_cdf|_cdf_length|\.target|scale_table|scale_bound|\.bound"
    r"|\.pedestal|context_prediction\.mask)$"
)
_STACKS = {
    "g_a": "analysis",
    "g_s": "synthesis",
    "h_a": "hyper_analysis",
    "h_s": "hyper_synthesis",
    "entropy_parameters": "parameters",
}

TRANSPOSED = Layout(  # (I, O, kh, kw) and (kh, kw, I, O)
    lambda array: array.transpose(2, 3, 0, 1),
    lambda array: array.transpose(2, 3, 0, 1),
)


def _by_channel(array: np.ndarray) -> np.ndarray:
    """Outputs (4 F, ...) in the order (F, 2, 2) to (2, 2, F)."""
    blocks = array.reshape(-1, 4, *array.shape[1:])
    return blocks.swapaxes(0, 1).reshape(array.shape)


def _by_place(array: np.ndarray) -> np.ndarray:
    blocks = array.reshape(4, -1, *array.shape[1:])
    return blocks.swapaxes(0, 1).reshape(array.shape)


SHUFFLED = Layout(
    lambda array: _by_channel(array).transpose(2, 3, 1, 0),
    lambda array: _by_place(array.transpose(3, 2, 0, 1)),
)
SHUFFLED_BIAS = Layout(_by_channel, _by_place)


def tensors(config: CAEConfig) -> Iterator[Tensor]:
    """The table of a network; see `tensors.Tensor`."""
    specs = layers(config)
    for theirs, ours in _STACKS.items():
        yield from stack(theirs, ours, getattr(specs, ours))
    for i in range(len(WIDTHS) - 1):
        names = (
            ["matrix", "bias", "factor"] if i < len(WIDTHS) - 2 else ["matrix", "bias"]
        )
        for name in names:
            path = f"density/{name}_{i}"
            yield Tensor(f"entropy_bottleneck._{name}{i}", path, VECTOR)
    yield Tensor("entropy_bottleneck.quantiles", "density/quantiles", VECTOR)
    if config.context:
        yield from affine("context_prediction", "context/weights", KERNEL)


def stack(name: str, path: str, spec: Spec) -> Iterator[Tensor]:
    """The tensors of a `nets.stack.Stack`."""
    for i, (kind, _) in enumerate(spec):
        if kind not in FIXED:
            yield from _LAYERS[kind](f"{name}.{i}", f"{path}/layer_{i}")


def _conv(name, path, size=3):
    return convolution(name, f"{path}/conv", None, size)


def _halve(name, path):
    return affine(name, path, KERNEL)


def _double(name, path):
    return affine(name, path, TRANSPOSED)


def _shuffle(name, path):
    yield Tensor(f"{name}.0.weight", f"{path}/blocks/conv/kernel", SHUFFLED)
    yield Tensor(f"{name}.0.bias", f"{path}/blocks/conv/bias", SHUFFLED_BIAS)


def _gdn(name, path):
    for part in ("beta", "gamma"):
        yield Tensor(f"{name}.{part}", f"{path}/{part}", VECTOR)


def _residual(name, path):
    for part in ("conv1", "conv2"):
        yield from _conv(f"{name}.{part}", f"{path}/{part}")


def _residual_halve(name, path):
    yield from _halve(f"{name}.conv1", f"{path}/conv1")
    yield from _conv(f"{name}.conv2", f"{path}/conv2")
    yield from _gdn(f"{name}.gdn", f"{path}/gdn")
    yield from dense(f"{name}.skip", f"{path}/skip")


def _residual_double(name, path):
    yield from _shuffle(f"{name}.subpel_conv", f"{path}/subpel_conv")
    yield from _conv(f"{name}.conv", f"{path}/conv")
    yield from _gdn(f"{name}.igdn", f"{path}/igdn")
    yield from _shuffle(f"{name}.upsample", f"{path}/upsample")


def _attention(name, path):
    for side in "ab":
        for i in range(3):
            for place, size in ((0, 1), (2, 3), (4, 1)):
                inner = f"{name}.conv_{side}.{i}.conv.{place}"
                yield from _conv(inner, f"{path}/{side}{i}/conv{place}", size)
    yield from _conv(f"{name}.conv_b.3", f"{path}/b3", 1)


_LAYERS = {
    "conv": _conv,
    "dense": lambda name, path: _conv(name, path, 1),
    "halve": _halve,
    "halve3": _halve,
    "double": _double,
    "shuffle": _shuffle,
    "gdn": _gdn,
    "igdn": _gdn,
    "residual": _residual,
    "residual_halve": _residual_halve,
    "residual_double": _residual_double,
    "attention": _attention,
}


def without_buffers(arrays: Arrays, config: CAEConfig) -> Arrays:
    """The weights under CompressAI's present names."""
    found = {}
    for name, array in arrays.items():
        if _BUFFERS.match(name):
            continue
        name = re.sub(r"\.downsample\.", ".skip.", name)
        name = re.sub(r"\._?matrices\.(\d)$", r"._matrix\1", name)
        name = re.sub(r"\._?biases\.(\d)$", r"._bias\1", name)
        name = re.sub(r"\._?factors\.(\d)$", r"._factor\1", name)
        found[name] = array
    return found


def infer(shapes: Shapes) -> CAEConfig | None:
    """The config that the shapes tell, its rate left at the default.

    None where they do not fit together.
    """
    try:
        first = shapes.get("g_a.0.weight", shapes.get("g_a.0.conv1.weight"))
        assert first is not None
        width, image_channels = first[:2]
        if "g_a.0.conv1.weight" in shapes:
            kind = "cheng_attn" if "g_s.0.conv_a.0.conv.0.weight" in shapes else None
            kind = kind or "cheng_anchor"
            return CAEConfig(kind, width, width, image_channels)
        latents = shapes["g_a.6.weight"][0]
        kind = "context" if "context_prediction.weight" in shapes else "mean"
        if shapes["h_s.4.weight"][0] == latents:
            kind = "scale"
        return CAEConfig(kind, width, latents, image_channels)
    except (AssertionError, KeyError, IndexError, ValueError):
        return None
