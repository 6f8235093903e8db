"""VDVAE: the hierarchical VAE of images of one size, with discrete pixels."""

from dataclasses import dataclass, field
from functools import cache, partial

import jax
import jax.numpy as jnp

from jaxrestore.nets.layers import (
    Convolution,
    average_pool,
    torch_uniform,
    upsample_nearest,
)
from jaxrestore.nets.vdvae_blocks import Block, DecoderBlock, Head
from jaxrestore.parameters import unflatten
from jaxrestore.priors.hvae import dmol
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.gaussian import from_log_std
from jaxrestore.priors.hvae.stages import Layer, apply, apply_stacked, block_run, init
from jaxrestore.priors.hvae.vdvae_config import Stage, VDVAEConfig
from jaxrestore.priors.hvae.walk import Run
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True)
class VDVAE(HierarchicalVAE):
    """A VDVAE with its parameters: a pytree whose leaves are the parameters.

    All methods take one image (S, S, C), float32 in [0, 1], S = ``config.image_size``
    (learned maps and 1x1 latents fix it); ``jax.vmap`` makes batches. The mean and
    the standard deviation of p(x | z) are those of its mixture of logistics, with the
    shift and the bounds of the config. The released `eval_logpxz` leaves these out
    where `latent_reg` has them; here `decode` and `reconstruct` agree.
    """

    config: VDVAEConfig = field(metadata={"static": True})

    @staticmethod
    def init_params(config: VDVAEConfig, key: jax.Array) -> dict:
        """Fresh parameters as nested dicts of float32 arrays.

        The blocks of a stage are stacked along a leading axis; ``bias`` is the learned
        start (R, R, W) of a top-down stage's stream.
        """
        table = layers(config)
        params = init(table, jax.random.split(key, len(table)))
        for i, stage in enumerate(config.decoder_stages):
            if (side := stage.resolution) <= config.no_bias_above:
                bias = jnp.zeros((side, side, config.width_at(side)), jnp.float32)
                params[f"top_down/stage_{i}/bias"] = bias
        return unflatten(params)

    def _inputs(self, image, encoder_noise):
        config = self.config
        raw = jnp.clip(config.input_factor * image, 0.0, 255.0)
        return (raw + config.input_shift) * config.input_scale

    def _bottom_up(self, inputs) -> dict[int, jax.Array]:
        """Feature maps (R, R, W) by their side R, the last one of each side."""
        config, params = self.config, self.params["bottom_up"]
        table, x = layers(config), inputs.astype(config.compute_dtype)
        x = apply(table["bottom_up/stem"].module, params["stem"], x)
        maps = {config.image_size: x}
        for i, stage in enumerate(config.encoder_stages):
            block = table[f"bottom_up/stage_{i}"].module
            x = apply_stacked(block, params[f"stage_{i}"], x, config.unroll)
            x = average_pool(x, stage.factor) if stage.factor > 1 else x
            missing = config.width_at(x.shape[0]) - x.shape[-1]
            x = jnp.pad(x, ((0, 0), (0, 0), (0, missing)))
            maps[x.shape[0]] = x
        return maps

    def _runs(self, skips, canvas) -> list[Run]:
        config, result = self.config, []
        for i, stage in enumerate(config.decoder_stages):
            here, side = self.params["top_down"][f"stage_{i}"], stage.resolution
            result.append(
                block_run(
                    layers(config)[f"top_down/stage_{i}/blocks"].module,
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

    def _decode(self, stream) -> dmol.DiscretizedLogistics:
        config = self.config
        head = layers(config)["top_down/head"].module
        raw = apply(head, self.params["top_down"]["head"], stream)
        channels = config.image_channels
        return dmol.from_raw(raw, channels, config.levels, config.exact_bins)

    def _target(self, image):
        return dmol.target_levels(image, self.config.levels)

    def _drawn(self, value):
        return 0.5 * (value + 1.0) + self.config.mean_shift

    def _to_unit(self, decoded: dmol.DiscretizedLogistics):
        mean, variance = decoded.moments(self.config.coupled_mean)
        mean = jnp.clip(0.5 * (mean + 1.0) + self.config.mean_shift, 0.0, 1.0)
        variance = 0.25 * variance
        if self.config.variance_range is not None:
            variance = jnp.clip(variance, *self.config.variance_range)
        return mean, jnp.sqrt(variance)


def _enter(config: VDVAEConfig, stage: Stage, bias, stream):
    """Start a stage from its bias and the first channels of the coarser stream."""
    side, width = stage.resolution, config.width_at(stage.resolution)
    start = jnp.zeros((side, side, width)) if bias is None else bias
    start = start.astype(config.compute_dtype)
    if stream is None:
        return start
    return start + upsample_nearest(stream[..., :width], stage.factor)


@cache
def layers(config: VDVAEConfig) -> dict[str, Layer]:
    """The network but for its biases: what is under each path of its parameters."""
    pixel, width = config.image_channels, config.width_at(config.image_size)
    stem = Convolution(width, 3, torch_uniform(9 * pixel))
    table = {"bottom_up/stem": Layer(stem, [pixel])}
    depth = sum(stage.count for stage in config.encoder_stages)
    for i, (side, count, _) in enumerate(config.encoder_stages):
        inner, size = config.inner_at(side), config.kernel_at(side)
        outer = config.width_at(side)
        block = Block(outer, inner, size, residual=True, output_scale=depth**-0.5)
        table[f"bottom_up/stage_{i}"] = Layer(block, [outer], count)
    for i, (side, count, _) in enumerate(config.decoder_stages):
        inner, size = config.inner_at(side), config.kernel_at(side)
        outer, scale = config.width_at(side), config.num_groups**-0.5
        group = DecoderBlock(outer, config.zdim, inner, size, output_scale=scale)
        shapes = [outer, outer, config.zdim]
        table[f"top_down/stage_{i}/blocks"] = Layer(group, shapes, count)
    head = Head((10 if pixel == 3 else 3) * config.num_mixtures)
    return table | {"top_down/head": Layer(head, [width])}
