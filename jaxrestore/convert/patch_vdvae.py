"""The authors' PatchVDVAE ``state_dict``."""

import re
from collections.abc import Iterator

from jaxrestore.convert.tensors import (
    CHANNELS,
    Arrays,
    Shapes,
    Tensor,
    convolution,
    dense,
)
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig, published, thesis

CONFIGS = {"published": published(), "thesis": thesis()}
SECTIONS = ("model_state_dict", "ema_model_state_dict")

_UP, _ENTRY = "bottom_up.levels_up_downsample", "top_down.levels_down_upsample"


def tensors(config: PatchVDVAEConfig) -> Iterator[Tensor]:
    """The table of a network; see `tensors.Tensor`."""
    yield from dense("bottom_up.input_conv", "bottom_up/stem")
    levels = len(config.strides)
    for level in range(levels):
        name, path = f"{_UP}.{levels - 1 - level}", f"bottom_up/level_{level}"
        size = config.kernel_sizes[level]
        for i in range(config.cells[level]):
            yield from _cell(f"{name}.residual_block.{i}", f"{path}/cells", i, size)
        yield from dense(f"{name}.skip_projection", f"{path}/skip")
        if level > 0:
            stride = config.strides[level]
            yield from dense(f"{name}.pool.ops.0", f"{path}/pool/blocks", None, stride)
        yield from _top_down(config, level)
    yield from dense("top_down.output_conv", "top_down/head")


def _top_down(config: PatchVDVAEConfig, level: int) -> Iterator[Tensor]:
    entry, path = f"{_ENTRY}.{level}", f"top_down/level_{level}"
    size = config.kernel_sizes[level]
    names = [
        f"top_down.levels_down.{level}.{i}" for i in range(config.groups[level] - 1)
    ]
    if level == 0:
        yield from _block(entry, f"{path}/first", 0, size)
        for statistic in ("mean", "std"):
            name = f"{entry}.prior_layer.{statistic}"
            yield Tensor(name, f"{path}/first/prior_{statistic}", CHANNELS, 0)
    else:
        yield from dense(f"{entry}.unpool.ops.0", f"{path}/unpool/pointwise")
        bias = f"{entry}.unpool.scale_bias"
        yield Tensor(bias, f"{path}/unpool/scale_bias", CHANNELS)
        names = [entry, *names]
    for i, name in enumerate(names):
        blocks = f"{path}/blocks"
        yield from _block(name, blocks, i, size)
        yield from _cell(f"{name}.prior_net.0", f"{blocks}/prior_net", i, size)
        projection = f"{blocks}/prior_projection"
        yield from dense(f"{name}.prior_layer.projection", projection, i)


def _block(name: str, path: str, index: int, size: int) -> Iterator[Tensor]:
    """What a block of the first group has in common with all others."""
    yield from _cell(f"{name}.posterior_net.0", f"{path}/posterior_net", index, size)
    projection = f"{path}/posterior_projection"
    yield from dense(f"{name}.posterior_layer.projection", projection, index)
    yield from dense(f"{name}.z_projection", f"{path}/z_projection", index)
    yield from _cell(f"{name}.residual_block.0", f"{path}/residual", index, size)


def _cell(name: str, path: str, index: int, size: int) -> Iterator[Tensor]:
    yield from dense(f"{name}.convs.1", f"{path}/reduce", index)
    yield from convolution(f"{name}.convs.3", f"{path}/conv_0", index, size)
    yield from convolution(f"{name}.convs.5", f"{path}/conv_1", index, size)
    yield from dense(f"{name}.convs.7", f"{path}/expand", index)


def without_buffers(arrays: Arrays, config: PatchVDVAEConfig) -> Arrays:
    """The checkpoint holds nothing beside the weights."""
    return arrays


def infer(shapes: Shapes) -> PatchVDVAEConfig | None:
    """The config that the shapes tell, None where they do not fit together."""
    levels = 1 + _last(shapes, rf"{_UP}\.(\d+)\.")
    up = [f"{_UP}.{levels - 1 - level}" for level in range(levels)]
    entries = [f"{_ENTRY}.{level}" for level in range(levels)]
    try:
        cell = [shapes[f"{name}.residual_block.0.convs.1.weight"] for name in up]
        posterior = shapes[f"{entries[-1]}.posterior_net.0.convs.1.weight"]
        groups = [
            _last(shapes, rf"top_down\.levels_down\.{level}\.(\d+)\.")
            for level in range(levels)
        ]
        cells = [_last(shapes, rf"{re.escape(n)}\.residual_block\.(\d+)\.") for n in up]
        kernels = [shapes[f"{n}.residual_block.0.convs.3.weight"] for n in up]
        latents = [shapes[f"{name}.z_projection.weight"] for name in entries]
        return PatchVDVAEConfig(
            strides=(1, *(shapes[f"{n}.pool.ops.0.weight"][-1] for n in up[1:])),
            groups=tuple(2 + last for last in groups),
            cells=tuple(1 + last for last in cells),
            top_down_filters=tuple(shape[0] for shape in latents),
            bottom_up_filters=tuple(shape[1] for shape in cell),
            kernel_sizes=tuple(shape[-1] for shape in kernels),
            latent_channels=latents[0][1],
            skip_filters=shapes[f"{up[0]}.skip_projection.weight"][0],
            bottleneck_ratio=cell[0][0] / cell[0][1],
            posterior_ratio=posterior[0] / posterior[1],
            image_channels=shapes["bottom_up.input_conv.weight"][1],
        )
    except (KeyError, IndexError, ValueError):
        return None


def _last(shapes: Shapes, pattern: str) -> int:
    """The largest number at the start of names, -1 if there is none."""
    found = (re.match(pattern, name) for name in shapes)
    return max((int(match[1]) for match in found if match), default=-1)
