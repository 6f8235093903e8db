"""PatchVDVAE: the fully convolutional hierarchical VAE, for images of any size."""

import math
from dataclasses import dataclass, field, replace
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxrestore.nets.layers import depth_to_space, space_to_depth
from jaxrestore.parameters import unflatten
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.gaussian import Gaussian, from_raw
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig
from jaxrestore.priors.hvae.patch_layers import layers
from jaxrestore.priors.hvae.stages import apply, apply_stacked, block_run, init
from jaxrestore.priors.hvae.walk import Run
from jaxrestore.pytrees import pytree

NOISE_UNIT = 0.1  # the encoder's noise map is noise_std / NOISE_UNIT


@pytree
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
        keys = jax.random.split(key, 8 * len(config.strides) + 4)
        params = init(layers(config), keys)
        zero = jnp.zeros((1, config.latent_channels), jnp.float32)
        params["top_down/level_0/first"] |= {"prior_mean": zero, "prior_std": zero + 1}
        return unflatten(params)

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
        parts = layers(config)
        x = _gather(config, inputs).astype(config.compute_dtype)
        x = apply(parts["bottom_up/stem"].module, params["stem"], x)
        skips = []
        for level in reversed(range(len(config.strides))):
            path, here = f"bottom_up/level_{level}", params[f"level_{level}"]
            cell = parts[f"{path}/cells"].module
            x = apply_stacked(cell, here["cells"], x, config.unroll)
            skips.append(apply(parts[f"{path}/skip"].module, here["skip"], x))
            if level > 0:
                x = apply(parts[f"{path}/pool"].module, here["pool"], x)
        return skips[::-1]

    def _runs(self, skips, canvas) -> list[Run]:
        config, result = self.config, []
        for level, factor in enumerate(config.factors):
            here = self.params["top_down"][f"level_{level}"]
            height, width = (side // factor for side in canvas)
            enter = _identity
            for name in ("first", "unpool", "blocks"):
                layer = layers(config).get(f"top_down/level_{level}/{name}")
                if layer is None:
                    continue
                if layer.count is None:
                    enter = partial(apply, layer.module, here[name])
                    continue
                run = block_run(
                    layer.module,
                    here[name],
                    layer.count,
                    (height, width, config.latent_channels),
                    enter,
                    None if skips is None else skips[level],
                    from_raw,
                    config.compute_dtype,
                )
                run = _fixed_prior(run) if name == "first" else run
                cell = layers(config).get(f"top_down/level_{level}/{name}_cells")
                if cell is not None:
                    run = _followed(run, cell.module, here[f"{name}_cells"], config)
                result.append(run)
        return result

    def _decode(self, stream) -> Gaussian:
        """Gaussian on [-1, 1]."""
        config, params = self.config, self.params["top_down"]["head"]
        head = layers(config)["top_down/head"].module
        raw = apply(head, params, stream).astype(jnp.float32)
        spread = partial(depth_to_space, factor=config.patch)
        if config.decoder_std is not None:
            mean = spread(raw)
            return Gaussian(mean, jnp.full_like(mean, 2.0 * config.decoder_std))
        mean, raw_std = jnp.split(raw, 2, axis=-1)
        return from_raw(jnp.concatenate([spread(mean), spread(raw_std)], axis=-1))

    def _target(self, image):
        return to_network(image)

    def _drawn(self, value):
        return 0.5 * (value + 1.0)

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


def _followed(run: Run, cell, params: dict, config: PatchVDVAEConfig) -> Run:
    """A run with cells without a latent after each of its groups."""
    each = jax.tree.map(lambda p: p.reshape(run.count, -1, *p.shape[1:]), params)
    return replace(
        run,
        params=(run.params, each),
        prior=lambda p, h: run.prior(p[0], h),
        posterior=lambda p, h: run.posterior(p[0], h),
        merge=lambda p, h, z: apply_stacked(
            cell, p[1], run.merge(p[0], h, z), config.unroll
        ),
    )


def _identity(stream):
    return stream
