"""PatchVDVAE: the fully convolutional hierarchical VAE, for images of any size."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxrestore.nets.layers import (
    Pointwise,
    Pool,
    ResidualCell,
    Unpool,
    depth_to_space,
    space_to_depth,
)
from jaxrestore.nets.patch_blocks import TopDownBlock
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.gaussian import Gaussian, from_raw
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig
from jaxrestore.priors.hvae.stages import (
    apply,
    apply_stacked,
    block_run,
    init,
    init_stacked,
)
from jaxrestore.priors.hvae.walk import Run

NOISE_UNIT = 0.1  # the encoder's noise map is noise_std / NOISE_UNIT


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PatchVDVAE(HierarchicalVAE):
    """A PatchVDVAE with its parameters: a pytree whose leaves are the parameters.

    All methods take one image (H, W, C), float32 in [0, 1], of any size: it is
    padded by reflection to a multiple of ``config.stride`` and results are cropped
    back (the published code crops the image instead). ``jax.vmap`` makes batches.
    """

    config: PatchVDVAEConfig = field(metadata={"static": True})
    log_bins = math.log(128.0)  # p(x | z) is a density on [-1, 1]

    @staticmethod
    def init_params(config: PatchVDVAEConfig, key: jax.Array) -> dict:
        """Fresh parameters as nested dicts of float32 arrays.

        Stacked blocks carry a leading axis over the groups. ``prior_mean`` and
        ``prior_std`` are the fixed N(0, I) of the first group.
        """
        levels = len(config.strides)
        keys = iter(jax.random.split(key, 8 * levels + 4))
        pixels = config.patch**2 * config.image_channels + config.noise_input
        bottom_up = {"stem": init(_stem(config), next(keys), _dot(pixels))}
        top_down = {}
        for level in range(levels):
            bottom_up[f"level_{level}"] = _init_bottom_up(config, level, keys)
            top_down[f"level_{level}"] = _init_top_down(config, level, keys)
        last = _dot(config.top_down_filters[-1])
        top_down["head"] = init(_head(config), next(keys), last)
        return {"bottom_up": bottom_up, "top_down": top_down}

    def _canvas(self, shape):
        stride = self.config.stride
        height, width = (-(-side // stride) * stride for side in shape)
        return height, width

    def _inputs(self, image, encoder_noise):
        height, width = self._canvas(image.shape[:2])
        bottom, right = height - image.shape[0], width - image.shape[1]
        padded = jnp.pad(image, ((0, bottom), (0, right), (0, 0)), mode="symmetric")
        inputs = to_network(padded)
        if not self.config.noise_input:
            return inputs
        level = jnp.asarray(0.0 if encoder_noise is None else encoder_noise)
        noise = jnp.broadcast_to(level / NOISE_UNIT, (height, width, 1))
        return jnp.concatenate([inputs, noise.astype(inputs.dtype)], axis=-1)

    def _bottom_up(self, inputs) -> list[jax.Array]:
        """Skips of every level, coarsest first."""
        config, params = self.config, self.params["bottom_up"]
        x = _gather(config, inputs).astype(config.compute_dtype)
        x = apply(_stem(config), params["stem"], x)
        skips = []
        for level in reversed(range(len(config.strides))):
            here = params[f"level_{level}"]
            x = apply_stacked(_cell(config, level), here["cells"], x, config.unroll)
            skips.append(apply(_skip(config), here["skip"], x))
            if level > 0:
                x = apply(_pool(config, level), here["pool"], x)
        return skips[::-1]

    def _runs(self, skips, canvas) -> list[Run]:
        config, result = self.config, []
        for level, factor in enumerate(config.factors):
            here = self.params["top_down"][f"level_{level}"]
            make = partial(
                block_run,
                latent_shape=(
                    canvas[0] // factor,
                    canvas[1] // factor,
                    config.latent_channels,
                ),
                skip=None if skips is None else skips[level],
                statistics=from_raw,
                compute_dtype=config.compute_dtype,
            )
            enter, count = _identity, config.groups[level]
            if level == 0:
                first = _block(config, 0, first=True)
                run = make(first, here["first"], 1, enter=enter)
                result.append(_fixed_prior(run))
                count -= 1
            else:
                enter = partial(apply, _unpool(config, level), here["unpool"])
            if count:
                block = _block(config, level)
                result.append(make(block, here["blocks"], count, enter=enter))
        return result

    def _decode(self, stream) -> Gaussian:
        """Gaussian on [-1, 1]."""
        config, head = self.config, self.params["top_down"]["head"]
        raw = apply(_head(config), head, stream).astype(jnp.float32)
        spread = partial(depth_to_space, factor=config.patch)
        if config.decoder_std is not None:
            mean = spread(raw)
            return Gaussian(mean, jnp.full_like(mean, 2.0 * config.decoder_std))
        mean, raw_std = jnp.split(raw, 2, axis=-1)
        return from_raw(jnp.concatenate([spread(mean), spread(raw_std)], axis=-1))

    def _target(self, image):
        return to_network(image)

    def _to_unit(self, decoded: Gaussian):
        mean = jnp.clip(0.5 * (decoded.mean + 1.0), 0.0, 1.0)
        return mean, 0.5 * decoded.std


def to_network(image: jax.Array) -> jax.Array:
    """[0, 1] to the network's [-1, 1], clipped."""
    return jnp.clip(2.0 * image - 1.0, -1.0, 1.0)


def _gather(config: PatchVDVAEConfig, inputs: jax.Array) -> jax.Array:
    """Blocks of pixels into channels; the noise map, a constant, stays one."""
    if config.patch == 1:
        return inputs
    x = space_to_depth(inputs, config.patch)
    if not config.noise_input:
        return x
    x = x.reshape(*x.shape[:2], -1, config.image_channels + 1)
    level = x[:, :, 0, -1:]
    return jnp.concatenate([x[..., :-1].reshape(*x.shape[:2], -1), level], -1)


def _fixed_prior(run: Run) -> Run:
    """The first group: its prior is N(0, I), its stream starts from the latent."""

    def prior(p, h):
        fixed = lax.stop_gradient((p["prior_mean"], p["prior_std"]))
        stats = (jnp.broadcast_to(stat, run.latent_shape) for stat in fixed)
        return Gaussian(*stats), None

    return replace(run, prior=prior)


def _identity(stream):
    return stream


def _dot(channels: int) -> jax.Array:
    return jnp.zeros((1, 1, channels))


def _init_bottom_up(config: PatchVDVAEConfig, level: int, keys: Iterator) -> dict:
    stream, cell = _dot(config.bottom_up_filters[level]), _cell(config, level)
    params = {
        "cells": init_stacked(cell, next(keys), config.cells[level], stream),
        "skip": init(_skip(config), next(keys), stream),
    }
    if level > 0:
        stride = config.strides[level]
        block = jnp.zeros((stride, stride, stream.shape[-1]))
        params["pool"] = init(_pool(config, level), next(keys), block)
    return params


def _init_top_down(config: PatchVDVAEConfig, level: int, keys: Iterator) -> dict:
    stream = _dot(config.top_down_filters[level])
    skip, latent = _dot(config.skip_filters), _dot(config.latent_channels)
    params, count = {}, config.groups[level]
    if level == 0:
        first = _block(config, 0, first=True)
        params["first"] = init_stacked(first, next(keys), 1, None, skip, latent)
        fixed = jnp.zeros((1, config.latent_channels), jnp.float32)
        params["first"] |= {"prior_mean": fixed, "prior_std": fixed + 1}
        count -= 1
    else:
        coarser = _dot(config.top_down_filters[level - 1])
        params["unpool"] = init(_unpool(config, level), next(keys), coarser)
    if count:
        block = _block(config, level)
        params["blocks"] = init_stacked(block, next(keys), count, stream, skip, latent)
    return params


def _stem(config: PatchVDVAEConfig) -> Pointwise:
    return Pointwise(config.bottom_up_filters[-1])


def _cell(config: PatchVDVAEConfig, level: int) -> ResidualCell:
    filters = config.bottom_up_filters[level]
    inner = int(filters * config.bottleneck_ratio)
    scale = config.num_groups**-0.5
    return ResidualCell(filters, inner, config.kernel_sizes[level], True, scale)


def _skip(config: PatchVDVAEConfig) -> Pointwise:
    return Pointwise(config.skip_filters)


def _pool(config: PatchVDVAEConfig, level: int) -> Pool:
    """From ``level`` to the next coarser one."""
    return Pool(config.bottom_up_filters[level - 1], config.strides[level])


def _unpool(config: PatchVDVAEConfig, level: int) -> Unpool:
    """From the next coarser level to ``level``."""
    return Unpool(config.top_down_filters[level], config.strides[level])


def _block(config: PatchVDVAEConfig, level: int, first: bool = False) -> TopDownBlock:
    filters, skip = config.top_down_filters[level], config.skip_filters
    seen = 2 * skip if first else filters + skip
    return TopDownBlock(
        filters,
        config.latent_channels,
        max(int(filters * config.bottleneck_ratio), 1),
        max(int(seen * config.posterior_ratio), 1),
        config.kernel_sizes[level],
        config.num_groups**-0.5,
        has_prior=not first,
        shortcut=config.posterior_shortcut,
    )


def _head(config: PatchVDVAEConfig) -> Pointwise:
    outputs = 1 if config.decoder_std is not None else 2
    return Pointwise(outputs * config.image_channels * config.patch**2)
