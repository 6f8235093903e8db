"""VDVAE as functions of its parameters: initialisation and the two paths."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from jaxrestore.nets.layers import (
    Convolution,
    average_pool,
    torch_uniform,
    upsample_nearest,
)
from jaxrestore.nets.vdvae_blocks import Block, DecoderBlock, Head
from jaxrestore.priors.hvae import dmol
from jaxrestore.priors.hvae.gaussian import from_log_std
from jaxrestore.priors.hvae.stages import (
    apply,
    apply_stacked,
    block_run,
    init,
    init_stacked,
)
from jaxrestore.priors.hvae.vdvae_config import Stage, VDVAEConfig
from jaxrestore.priors.hvae.walk import Run


@dataclass(frozen=True)
class Modules:
    """The Linen modules of a configuration."""

    config: VDVAEConfig

    def stem(self) -> Convolution:
        config = self.config
        kernel_init = torch_uniform(9 * config.image_channels)
        return Convolution(config.width_at(config.image_size), 3, kernel_init)

    def encoder_block(self, stage: Stage) -> Block:
        config, side = self.config, stage.resolution
        blocks = sum(stage.count for stage in config.encoder_stages)
        return Block(
            config.width_at(side),
            config.inner_at(side),
            config.kernel_at(side),
            residual=True,
            output_scale=blocks**-0.5,
        )

    def decoder_block(self, stage: Stage) -> DecoderBlock:
        config, side = self.config, stage.resolution
        return DecoderBlock(
            config.width_at(side),
            config.zdim,
            config.inner_at(side),
            config.kernel_at(side),
            output_scale=config.num_groups**-0.5,
        )

    def head(self) -> Head:
        per_mixture = 10 if self.config.image_channels == 3 else 3
        return Head(per_mixture * self.config.num_mixtures)


def init_params(config: VDVAEConfig, key: jax.Array) -> dict:
    """Fresh parameters as nested dicts of float32 arrays.

    The blocks of a stage are stacked along a leading axis; ``bias`` is the learned
    start (R, R, W) of a top-down stage's stream.
    """
    modules = Modules(config)
    stages = config.encoder_stages, config.decoder_stages
    keys = iter(jax.random.split(key, sum(map(len, stages)) + 2))
    dot = lambda channels: jnp.zeros((1, 1, channels))  # noqa: E731
    bottom_up = {"stem": init(modules.stem(), next(keys), dot(config.image_channels))}
    for i, stage in enumerate(stages[0]):
        block, stream = modules.encoder_block(stage), dot(config.width_at(stage[0]))
        bottom_up[f"stage_{i}"] = init_stacked(block, next(keys), stage.count, stream)
    top_down = {}
    for i, stage in enumerate(stages[1]):
        side, width = stage.resolution, config.width_at(stage.resolution)
        block, inputs = (
            modules.decoder_block(stage),
            map(dot, (width, width, config.zdim)),
        )
        blocks = init_stacked(block, next(keys), stage.count, *inputs)
        bias = {"bias": jnp.zeros((side, side, width))}
        has_bias = side <= config.no_bias_above
        top_down[f"stage_{i}"] = {"blocks": blocks} | (bias if has_bias else {})
    last = dot(config.width_at(config.image_size))
    top_down["head"] = init(modules.head(), next(keys), last)
    return {"bottom_up": bottom_up, "top_down": top_down}


def encoder_input(config: VDVAEConfig, image: jax.Array) -> jax.Array:
    """Pixels in [0, 1] as the encoder sees them, the same shape."""
    raw = jnp.clip(config.input_factor * image, 0.0, 255.0)
    return (raw + config.input_shift) * config.input_scale


def bottom_up(
    config: VDVAEConfig, params: dict, inputs: jax.Array
) -> dict[int, jax.Array]:
    """Feature maps (R, R, W) by their side R, the last one of each side.

    Args:
        inputs: (S, S, C), S the image size, as the encoder sees pixels.
    """
    modules = Modules(config)
    x = apply(modules.stem(), params["stem"], inputs.astype(config.compute_dtype))
    maps = {config.image_size: x}
    for i, stage in enumerate(config.encoder_stages):
        block, here = modules.encoder_block(stage), params[f"stage_{i}"]
        x = apply_stacked(block, here, x, config.unroll)
        x = average_pool(x, stage.factor) if stage.factor > 1 else x
        missing = config.width_at(x.shape[0]) - x.shape[-1]
        x = jnp.pad(x, ((0, 0), (0, 0), (0, missing)))
        maps[x.shape[0]] = x
    return maps


def runs(
    config: VDVAEConfig,
    params: dict,
    skips: dict[int, jax.Array] | None,
    shape: tuple[int, int],
) -> list[Run]:
    """The top-down path for images of ``shape``, (S, S).

    ``skips`` may be None for rules that do not use the posterior.
    """
    modules, result = Modules(config), []
    for i, stage in enumerate(config.decoder_stages):
        here, side = params[f"stage_{i}"], stage.resolution
        result.append(
            block_run(
                modules.decoder_block(stage),
                here["blocks"],
                stage.count,
                (side, side, config.zdim),
                partial(_enter, config, stage, here.get("bias")),
                None if skips is None else skips[side],
                from_log_std,
                config.compute_dtype,
            )
        )
    return result


def _enter(config: VDVAEConfig, stage: Stage, bias, stream):
    """Start a stage from its bias and the first channels of the coarser stream."""
    side, width = stage.resolution, config.width_at(stage.resolution)
    start = jnp.zeros((side, side, width)) if bias is None else bias
    start = start.astype(config.compute_dtype)
    if stream is None:
        return start
    return start + upsample_nearest(stream[..., :width], stage.factor)


def decode_head(config: VDVAEConfig, params: dict, stream: jax.Array):
    """p(x | z): a discretised mixture of logistics, (S, S, C)."""
    raw = apply(Modules(config).head(), params["head"], stream)
    channels, levels = config.image_channels, config.levels
    return dmol.from_raw(raw, channels, levels, config.exact_bins)
