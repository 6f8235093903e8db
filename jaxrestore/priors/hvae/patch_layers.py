"""The network of a PatchVDVAE as a table of layers."""

import math
from functools import cache

import jax

from jaxrestore.nets.layers import Pointwise, Pool, ResidualCell, Unpool
from jaxrestore.nets.patch_blocks import TopDownBlock
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig
from jaxrestore.priors.hvae.stages import Layer, init


@cache
def layers(config: PatchVDVAEConfig) -> dict[str, Layer]:
    """The network: what is under each path of its parameters."""
    skip, latent = config.skip_filters, config.latent_channels
    pixels = config.patch**2 * config.image_channels
    seen = pixels + config.noise_input
    stem = Pointwise(config.bottom_up_filters[-1])
    parts = {"bottom_up/stem": Layer(stem, [seen])}
    for level, stride in enumerate(config.strides):
        up, down = f"bottom_up/level_{level}", f"top_down/level_{level}"
        width, filters = config.bottom_up_filters[level], config.top_down_filters[level]
        cell = ResidualCell(
            width,
            int(width * config.bottleneck_ratio),
            config.kernel_sizes[level],
            residual=True,
            output_scale=config.depth**-0.5,
        )
        parts[f"{up}/cells"] = Layer(cell, [width], config.cells[level])
        parts[f"{up}/skip"] = Layer(Pointwise(skip), [width])
        count = config.groups[level]
        if level == 0:
            first = _block(config, 0, first=True)
            parts[f"{down}/first"] = Layer(first, [None, skip, latent], 1)
            parts |= _cells(config, level, f"{down}/first", 1)
            count -= 1
        else:
            pool = Pool(config.bottom_up_filters[level - 1], stride)
            parts[f"{up}/pool"] = Layer(pool, [(stride, stride, width)])
            coarser = config.top_down_filters[level - 1]
            parts[f"{down}/unpool"] = Layer(Unpool(filters, stride), [coarser])
        if count:
            block = _block(config, level)
            parts[f"{down}/blocks"] = Layer(block, [filters, skip, latent], count)
            parts |= _cells(config, level, f"{down}/blocks", count)
    head = Pointwise(pixels if config.decoder_std is not None else 2 * pixels)
    return parts | {"top_down/head": Layer(head, [config.top_down_filters[-1]])}


def _block(config: PatchVDVAEConfig, level: int, first: bool = False) -> TopDownBlock:
    filters, skip = config.top_down_filters[level], config.skip_filters
    seen = 2 * skip if first else filters + skip
    return TopDownBlock(
        filters,
        config.latent_channels,
        max(int(filters * config.bottleneck_ratio), 1),
        max(int(seen * config.posterior_ratio), 1),
        config.kernel_sizes[level],
        config.depth**-0.5,
        has_prior=not first,
        shortcut=config.posterior_shortcut,
    )


def _cells(config: PatchVDVAEConfig, level: int, path: str, count: int) -> dict:
    """The cells after each of `count` groups, each of the size of a block."""
    number = count * config.followers[level]
    if not number:
        return {}
    filters, size = config.top_down_filters[level], config.kernel_sizes[level]
    inputs = [filters, config.skip_filters, config.latent_channels]
    aim = _size(Layer(_block(config, level), inputs))
    # A cell has 2 k^2 b^2 + (2 F + 3) b + F parameters.
    square, linear = 2 * size**2, 2 * filters + 3
    root = (linear**2 + 4 * square * (aim - filters)) ** 0.5
    inner = max(round((root - linear) / (2 * square)), 1)
    cell = ResidualCell(filters, inner, size, True, config.depth**-0.5)
    return {f"{path}_cells": Layer(cell, [filters], number)}


def _size(layer: Layer) -> int:
    """How many parameters a layer has."""
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    shapes = jax.eval_shape(lambda k: init({"": layer}, k[None]), key)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
