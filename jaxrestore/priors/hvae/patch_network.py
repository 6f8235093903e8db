"""PatchVDVAE as functions of its parameters: initialisation and the two paths."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Modules:
    """The Linen modules of a configuration, levels coarsest first."""

    config: PatchVDVAEConfig

    def _scale(self) -> float:
        return self.config.num_groups**-0.5

    def stem(self) -> Pointwise:
        return Pointwise(self.config.bottom_up_filters[-1])

    def cell(self, level: int) -> ResidualCell:
        filters = self.config.bottom_up_filters[level]
        return ResidualCell(
            filters,
            int(filters * self.config.bottleneck_ratio),
            self.config.kernel_sizes[level],
            True,
            self._scale(),
        )

    def skip(self) -> Pointwise:
        return Pointwise(self.config.skip_filters)

    def pool(self, level: int) -> Pool:
        """From ``level`` to the next coarser one."""
        filters = self.config.bottom_up_filters[level - 1]
        return Pool(filters, self.config.strides[level])

    def unpool(self, level: int) -> Unpool:
        """From the next coarser level to ``level``."""
        return Unpool(self.config.top_down_filters[level], self.config.strides[level])

    def block(self, level: int, first: bool = False) -> TopDownBlock:
        config = self.config
        filters, skip = config.top_down_filters[level], config.skip_filters
        seen = 2 * skip if first else filters + skip
        return TopDownBlock(
            filters,
            config.latent_channels,
            max(int(filters * config.bottleneck_ratio), 1),
            max(int(seen * config.posterior_ratio), 1),
            config.kernel_sizes[level],
            self._scale(),
            has_prior=not first,
            shortcut=config.posterior_shortcut,
        )

    def head(self) -> Pointwise:
        outputs = 1 if self.config.decoder_std is not None else 2
        blocks = self.config.patch**2
        return Pointwise(outputs * self.config.image_channels * blocks)


def init_params(config: PatchVDVAEConfig, key: jax.Array) -> dict:
    """Fresh parameters as nested dicts of float32 arrays.

    Stacked blocks carry a leading axis over the groups. ``prior_mean`` and
    ``prior_std`` are the fixed N(0, I) of the first group.
    """
    modules, levels = Modules(config), len(config.strides)
    keys = iter(jax.random.split(key, 8 * levels + 4))
    dot = lambda channels: jnp.zeros((1, 1, channels))  # noqa: E731
    pixels = config.patch**2 * config.image_channels + config.noise_input
    bottom_up = {"stem": init(modules.stem(), next(keys), dot(pixels))}
    top_down = {}
    for level in range(levels):
        bottom_up[f"level_{level}"] = _init_bottom_up(modules, level, keys, dot)
        top_down[f"level_{level}"] = _init_top_down(modules, level, keys, dot)
    top_down["head"] = init(
        modules.head(), next(keys), dot(config.top_down_filters[-1])
    )
    return {"bottom_up": bottom_up, "top_down": top_down}


def _init_bottom_up(modules: Modules, level: int, keys: Iterator, dot) -> dict:
    config = modules.config
    stream = dot(config.bottom_up_filters[level])
    params = {
        "cells": init_stacked(
            modules.cell(level), next(keys), config.cells[level], stream
        ),
        "skip": init(modules.skip(), next(keys), stream),
    }
    if level > 0:
        stride = config.strides[level]
        block = jnp.zeros((stride, stride, stream.shape[-1]))
        params["pool"] = init(modules.pool(level), next(keys), block)
    return params


def _init_top_down(modules: Modules, level: int, keys: Iterator, dot) -> dict:
    config = modules.config
    stream = dot(config.top_down_filters[level])
    skip, latent = dot(config.skip_filters), dot(config.latent_channels)
    params, count = {}, config.groups[level]
    if level == 0:
        first = modules.block(0, first=True)
        params["first"] = init_stacked(first, next(keys), 1, None, skip, latent)
        fixed = (1, config.latent_channels)
        params["first"]["prior_mean"] = jnp.zeros(fixed)
        params["first"]["prior_std"] = jnp.ones(fixed)
        count -= 1
    else:
        coarser = dot(config.top_down_filters[level - 1])
        params["unpool"] = init(modules.unpool(level), next(keys), coarser)
    if count:
        block = modules.block(level)
        params["blocks"] = init_stacked(block, next(keys), count, stream, skip, latent)
    return params


def bottom_up(config: PatchVDVAEConfig, params: dict, inputs: jax.Array) -> list:
    """Skips of every level, coarsest first.

    Args:
        inputs: (H, W, C) in [-1, 1] (plus the noise map's channel), sides a multiple
            of the stride.
    """
    modules = Modules(config)
    x = space_to_depth(inputs, config.patch) if config.patch > 1 else inputs
    if config.noise_input and config.patch > 1:  # the map is constant: keep it once
        channels = config.image_channels
        x = x.reshape(*x.shape[:2], -1, channels + 1)
        level = x[:, :, 0, -1:]
        x = jnp.concatenate([x[..., :-1].reshape(*x.shape[:2], -1), level], -1)
    x = apply(modules.stem(), params["stem"], x.astype(config.compute_dtype))
    skips = []
    for level in reversed(range(len(config.strides))):
        here = params[f"level_{level}"]
        x = apply_stacked(modules.cell(level), here["cells"], x, config.unroll)
        skips.append(apply(modules.skip(), here["skip"], x))
        if level > 0:
            x = apply(modules.pool(level), here["pool"], x)
    return skips[::-1]


def _fixed_prior(run: Run) -> Run:
    """The first group: its prior is N(0, I), its stream starts from the latent."""

    def prior(p, h):
        fixed = lax.stop_gradient((p["prior_mean"], p["prior_std"]))
        stats = (jnp.broadcast_to(stat, run.latent_shape) for stat in fixed)
        return Gaussian(*stats), None

    return replace(run, prior=prior)


def runs(
    config: PatchVDVAEConfig, params: dict, skips: list | None, shape: tuple[int, int]
) -> list[Run]:
    """The top-down path for images of ``shape`` (a multiple of the stride).

    ``skips`` may be None for rules that do not use the posterior.
    """
    modules, result = Modules(config), []
    for level, factor in enumerate(config.factors):
        here = params[f"level_{level}"]
        skip = None if skips is None else skips[level]
        latent = (shape[0] // factor, shape[1] // factor, config.latent_channels)
        make = partial(
            block_run,
            latent_shape=latent,
            skip=skip,
            statistics=from_raw,
            compute_dtype=config.compute_dtype,
        )
        enter, count = _identity, config.groups[level]
        if level == 0:
            first = modules.block(0, first=True)
            run = make(first, here["first"], 1, enter=enter)
            result.append(_fixed_prior(run))
            count -= 1
        else:
            enter = partial(apply, modules.unpool(level), here["unpool"])
        if count:
            block = modules.block(level)
            result.append(make(block, here["blocks"], count, enter=enter))
    return result


def _identity(stream):
    return stream


def decode_head(config: PatchVDVAEConfig, params: dict, stream: jax.Array):
    """p(x | z) in network units: a Gaussian on [-1, 1], (H, W, C)."""
    raw = apply(Modules(config).head(), params["head"], stream)
    raw = raw.astype(jnp.float32)
    spread = partial(depth_to_space, factor=config.patch)
    if config.decoder_std is not None:
        mean = spread(raw)
        return Gaussian(mean, jnp.full_like(mean, 2.0 * config.decoder_std))
    mean, raw_std = jnp.split(raw, 2, axis=-1)
    return from_raw(jnp.concatenate([spread(mean), spread(raw_std)], axis=-1))
