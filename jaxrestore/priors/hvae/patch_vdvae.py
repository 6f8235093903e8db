"""PatchVDVAE: the fully convolutional hierarchical VAE for images of any size."""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.priors.base import Reconstruction
from jaxrestore.priors.hvae import patch_network as network
from jaxrestore.priors.hvae.gaussian import Gaussian
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig
from jaxrestore.priors.hvae.rules import (
    Given,
    LatentRule,
    PosteriorSample,
    PriorSample,
    Tempered,
)
from jaxrestore.priors.hvae.walk import Collect, per_group, top_down


class Elbo(NamedTuple):
    """Terms of the evidence lower bound of one image.

    Attributes:
        decoder: p(x | z) at the drawn latents, [-1, 1] units, (H, W, C).
        kl: (L,) KL(q_l || p_l) of each group in nats, summed over its elements.
        elements: (L,) number of latent elements of each group.
        nats_per_dim: -log p(x | z) + sum_l KL_l, over H W C; x on [-1, 1].
        bits_per_dim: the same for 8-bit pixel values (density times the bin width
            2/255), in bits.
    """

    decoder: Gaussian
    kl: jax.Array
    elements: jax.Array
    nats_per_dim: jax.Array
    bits_per_dim: jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PatchVDVAE:
    """A PatchVDVAE with its parameters: a pytree whose leaves are the parameters.

    All methods take one image (H, W, C), float32 in [0, 1], of any size: it is
    padded by reflection to a multiple of ``stride`` and results are cropped back
    (the published code crops the image instead). ``jax.vmap`` makes batches.
    """

    params: dict
    config: PatchVDVAEConfig = field(metadata={"static": True})

    @classmethod
    def create(cls, config: PatchVDVAEConfig, key: jax.Array) -> "PatchVDVAE":
        """A network with fresh random parameters."""
        init = jax.jit(network.init_params, static_argnums=0)
        return cls(init(config, key), config)

    @property
    def num_groups(self) -> int:
        """L, the number of latent groups."""
        return self.config.num_groups

    @property
    def stride(self) -> int:
        """Image pixels per pixel of the coarsest latent, along one side."""
        return self.config.stride

    def reconstruct(self, image, temperature, encoder_noise=None) -> Reconstruction:
        """Encode by Algorithm 3 and decode: HVAE(x, tau) = mu_theta(E_tau(x)).

        z_l maximises log q(z_l | z_<l, x) + (1/tau_l^2 - 1) log p(z_l | z_<l), the
        groups in turn (thesis, Algorithm 3). As in the published code the decoder
        mean is clipped to [0, 1].

        Args:
            image: (H, W, C), any range: the encoder clips it to [0, 1].
            temperature: tau in [0, 1], scalar or (L,), top group first. 1 gives the
                posterior means, 0 the prior means.
            encoder_noise: noise level of ``image`` in [0, 1] units, told to networks
                with ``config.noise_input`` (None: 0); other networks ignore it.
        """

        def collect(z, prior, posterior):
            return z, prior.log_prob(z)

        rule = Tempered(jnp.asarray(temperature, jnp.float32))
        skips = self._skips(image, encoder_noise)
        decoded, groups = self._walk(rule, skips, image.shape[:2], collect)
        latents, log_prior = zip(*groups, strict=True)
        mean, std = self._to_unit(decoded, image.shape[:2])
        return Reconstruction(mean, std, latents, jnp.stack(log_prior))

    def encode(self, image, key, encoder_noise=None) -> tuple[jax.Array, ...]:
        """Draw z from q(z | x): one array (h_l, w_l, Z) per group, coarsest first."""
        skips = self._skips(image, encoder_noise)
        rule = PosteriorSample(key)
        return self._walk(rule, skips, image.shape[:2], lambda z, *_: z)[1]

    def decode(self, latents, shape: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
        """Mean and standard deviation of p(x | z), both (H, W, C), [0, 1] units.

        Args:
            latents: one array per group, as :meth:`encode` returns them.
            shape: (H, W) of the image.
        """
        if len(latents) != self.num_groups:
            raise InputError(
                f"latents: got {len(latents)} groups, expected {self.num_groups}; "
                "pass what encode returns"
            )
        decoded, _ = self._walk(Given(tuple(latents)), None, shape, _nothing)
        return self._to_unit(decoded, shape)

    def sample(self, key, shape: tuple[int, int], temperature=1.0) -> jax.Array:
        """Draw z from the prior and return the decoder mean, (H, W, C) in [0, 1].

        Args:
            shape: (H, W) of the image.
            temperature: scalar or (L,): p(z_l | z_<l) = N(mean, tau_l^2 std^2).
        """
        rule = PriorSample(key, jnp.asarray(temperature, jnp.float32))
        decoded, _ = self._walk(rule, None, shape, _nothing)
        return self._to_unit(decoded, shape)[0]

    def elbo(self, image, key, encoder_input=None, encoder_noise=None) -> Elbo:
        """Evidence lower bound of one image, by one draw of z from q(z | x).

        Args:
            image: x, (H, W, C) in [0, 1].
            encoder_input: what the encoder sees instead of x (denoising training);
                the bound on log p(x) holds for any encoder.
        """

        def collect(z, prior, posterior):
            return prior.kl_from(posterior), jnp.asarray(z.size, jnp.float32)

        seen = image if encoder_input is None else encoder_input
        skips = self._skips(seen, encoder_noise)
        rule = PosteriorSample(key)
        decoded, groups = self._walk(rule, skips, image.shape[:2], collect)
        kl, elements = (jnp.stack(part) for part in zip(*groups, strict=True))
        decoded = Gaussian(*(_crop(stat, image.shape[:2]) for stat in decoded))
        rate = -decoded.log_prob(to_network(image)) + kl.sum()
        nats = rate / image.size
        bits = (nats + jnp.log(127.5)) / jnp.log(2.0)
        return Elbo(decoded, kl, elements, nats, bits)

    def _skips(self, image, encoder_noise) -> list:
        inputs = to_network(self._pad(image))
        if self.config.noise_input:
            level = jnp.asarray(0.0 if encoder_noise is None else encoder_noise)
            noise = jnp.broadcast_to(level / network.NOISE_UNIT, (*inputs.shape[:2], 1))
            inputs = jnp.concatenate([inputs, noise.astype(inputs.dtype)], axis=-1)
        return network.bottom_up(self.config, self.params["bottom_up"], inputs)

    def _padded(self, shape: tuple[int, ...]) -> tuple[int, int]:
        height, width = (-(-side // self.stride) * self.stride for side in shape)
        return height, width

    def _pad(self, image: jax.Array) -> jax.Array:
        if image.ndim != 3 or image.shape[-1] != self.config.image_channels:
            raise InputError(
                f"image: shape {image.shape}, expected (H, W, "
                f"{self.config.image_channels}); use jax.vmap for batches"
            )
        height, width = self._padded(image.shape[:2])
        bottom, right = height - image.shape[0], width - image.shape[1]
        return jnp.pad(image, ((0, bottom), (0, right), (0, 0)), mode="symmetric")

    def _walk(self, rule: LatentRule, skips, shape, collect: Collect):
        params = self.params["top_down"]
        path = network.runs(self.config, params, skips, self._padded(shape))
        stream, kept = top_down(path, rule, collect, self.config.unroll)
        return network.decode_head(self.config, params, stream), per_group(kept)

    def _to_unit(self, decoded: Gaussian, shape) -> tuple[jax.Array, jax.Array]:
        mean, std = (_crop(stat, shape) for stat in decoded)
        return jnp.clip(0.5 * (mean + 1.0), 0.0, 1.0), 0.5 * std


def to_network(image: jax.Array) -> jax.Array:
    """[0, 1] to the network's [-1, 1], clipped."""
    return jnp.clip(2.0 * image - 1.0, -1.0, 1.0)


def _crop(array: jax.Array, shape) -> jax.Array:
    return array[: shape[0], : shape[1]]


def _nothing(z, prior, posterior):
    return ()
