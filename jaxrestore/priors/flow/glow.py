"""Glow: an invertible network, a density of images and a decoder of latents."""

from dataclasses import dataclass, field
from typing import Any, Self

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.nets import flow_steps
from jaxrestore.nets.flow import squeeze, unsqueeze
from jaxrestore.priors.base import Reconstruction
from jaxrestore.priors.flow import steps
from jaxrestore.priors.flow.config import GlowConfig
from jaxrestore.priors.flow.encoding import Encoding, bits_per_dim, log_normal
from jaxrestore.pytrees import pytree

LATENTS = ("whitened", "raw")
_CENTRE = 0.5  # the network sees x - 1/2


@pytree
@dataclass(frozen=True)
class Glow:
    """A Glow with its parameters: a pytree, its config static.

    An invertible map of an image x to latents z of one group a block, with

        log p(x) = sum_l log N(z_l; mean(z_<l), std(z_<l)^2) + log |det dz/dx|

    (Kingma and Dhariwal 2018). Latents come in two kinds. "raw" are the z_l.
    "whitened" are (z_l - mean) / std, N(0, I) under the model whatever the other
    groups: those a decoder draws, `D(0)` being the image of all conditional means.
    Whitened is the default, as only there encoder and decoder are each other's
    inverse and ||z||^2 / 2 is -log p(z) up to a constant; the released code of the
    analysis paper decodes whitened latents and penalises raw ones.

    All methods take one image (S, S, C), float32 in [0, 1], S = ``config.image_size``;
    ``jax.vmap`` makes batches.

    Attributes:
        params: nested dicts of arrays.
        config: the architecture.
    """

    params: dict
    config: GlowConfig = field(metadata={"static": True})

    @classmethod
    def create(cls, config: GlowConfig, key: jax.Array) -> Self:
        """A network with fresh random parameters; see `initialised`."""
        return cls(jax.jit(steps.init_params, static_argnums=0)(config, key), config)

    init_params = staticmethod(steps.init_params)

    @property
    def num_groups(self) -> int:
        """L, the number of latent groups: one a block."""
        return self.config.num_groups

    def initialised(self, images: jax.Array) -> Self:
        """The same with each actnorm set to whiten what reaches it of a batch.

        Args:
            images: (N, S, S, C) in [0, 1].
        """
        x, params = self._checked(images) - _CENTRE, dict(self.params)
        for block in range(self.num_groups):
            name, coupling = f"block_{block}", steps.coupling(self.config, block)
            stacked, x = steps.set_actnorm(params[name]["steps"], coupling, squeeze(x))
            params[name] = params[name] | {"steps": stacked}
            x = jnp.split(x, 2, -1)[0]
        return type(self)(params, self.config)

    def encoding(self, image: jax.Array) -> Encoding:
        """Both kinds of latents of an image, their densities, and the Jacobian's."""
        return jax.tree.map(lambda leaf: leaf[0], self.encodings(image[None]))

    def encodings(self, images: jax.Array) -> Encoding:
        """`encoding` of a batch (N, S, S, C); for gradients in the parameters.

        (Under `jax.vmap` each image would get a gradient of its own.)
        """
        x = self._checked(images) - _CENTRE
        raw, white, log_prior, log_det = [], [], [], jnp.zeros(len(x), jnp.float32)
        for block in range(self.num_groups):
            linear, by_pixel = steps.prepared(self._of(block)["steps"])
            x = squeeze(x)
            coupling = steps.coupling(self.config, block)
            encoded: Any = flow_steps.encode(coupling, linear, x)
            x, of_couplings = encoded
            log_det += of_couplings + x.shape[1] * x.shape[2] * by_pixel.sum()
            x, z = self._split(block, x)
            mean, log_std = self._prior(block, x)
            epsilon = (z - mean) * jnp.exp(-log_std)
            raw.append(z)
            white.append(epsilon)
            log_prior.append((log_normal(epsilon) - log_std).sum((1, 2, 3)))
        groups = tuple(raw[::-1]), tuple(white[::-1])
        return Encoding(*groups, jnp.stack(log_prior[::-1], -1), log_det)

    def encode(self, image: jax.Array, latents: str = "whitened") -> tuple:
        """E(x): one array (h_l, w_l, Z_l) per group, the coarsest first.

        Args:
            image: (S, S, C).
            latents: "whitened" or "raw".
        """
        return getattr(self.encoding(image), _kind(latents))

    def decode(self, latents: Any, kind: str = "whitened") -> jax.Array:
        """D(z), the inverse of `encode`: (S, S, C), not clipped.

        Args:
            latents: one array per group, as `encode` returns them.
            kind: of these, "whitened" or "raw".
        """
        return self._decoded([z[None] for z in latents], _kind(kind))[0]

    def log_prob(self, image: jax.Array) -> jax.Array:
        """log p(x) in nats, of a density on [0, 1] units; ()."""
        return self.encoding(image).log_prob

    def __call__(self, image: jax.Array) -> jax.Array:
        """The energy -log p(x) in nats, a scalar."""
        return -self.log_prob(image)

    def bits_per_dim(self, image: jax.Array, levels: int = 256) -> jax.Array:
        """Bits per value v of v + u over `levels`, u uniform on [0, 1).

        (-log p(x) / (H W C) + log levels) / log 2, a bound on the bits of v itself
        where x is such a dequantised image.
        """
        return bits_per_dim(self.log_prob(image), image.size, levels)

    def at(self, latents: Any, shape: tuple[int, int]) -> Reconstruction:
        """x = D(z) at whitened latents and log N(z_l; 0, I), differentiable in them.

        `std` is zero: x is a function of z. Arguments as for `Decodes.at`.
        """
        self._check_size(shape)
        latents = tuple(jnp.asarray(z, jnp.float32) for z in latents)
        mean = self.decode(latents)
        log_prior = jnp.stack([log_normal(z).sum() for z in latents])
        return Reconstruction(mean, jnp.zeros_like(mean), latents, log_prior)

    def prior_mean(self, shape: tuple[int, int]) -> Reconstruction:
        """D(0): each latent the mean of p(z_l | z_<l)."""
        return self.at(self.zeros(), shape)

    def zeros(self) -> tuple[jax.Array, ...]:
        """z = 0: one array per group, the coarsest first."""
        blocks = reversed(range(self.num_groups))
        shapes = [self.config.latent_shape(block) for block in blocks]
        return tuple(jnp.zeros(shape, jnp.float32) for shape in shapes)

    def draw(self, key: jax.Array, shape: tuple[int, int], temperature: Any = 1.0):
        """Whitened latents of the prior, N(0, tau^2 I), tau () or (L,)."""
        self._check_size(shape)
        keys = jax.random.split(key, self.num_groups)
        tau = jnp.broadcast_to(jnp.asarray(temperature, jnp.float32), self.num_groups)
        return tuple(
            t * jax.random.normal(k, z.shape, jnp.float32)
            for t, k, z in zip(tau, keys, self.zeros(), strict=True)
        )

    def sample(self, key, shape: tuple[int, int], temperature: Any = 1.0) -> jax.Array:
        """An image D(z), z drawn as by `draw`."""
        return self.decode(self.draw(key, shape, temperature))

    def conditional(
        self, latents: Any, key, shape: tuple[int, int], temperature: Any = 1.0
    ) -> jax.Array:
        """An image whose first groups are given, whitened, the others drawn."""
        if len(latents) > self.num_groups:
            raise InputError(
                f"latents: got {len(latents)} groups, expected at most"
                f" {self.num_groups}; pass what encode returns"
            )
        drawn = self.draw(key, shape, temperature)
        return self.decode((*latents, *drawn[len(latents) :]))

    def interpolate(
        self, first, second, key, groups: int, count: int, temperature: Any = 1.0
    ) -> jax.Array:
        """Images between two, (count, S, S, C): first groups mixed linearly.

        Weights i / (n + 1), i = 1 ... n; the groups from `groups` on are drawn once.
        """
        ends, shape = (self.encode(first), self.encode(second)), first.shape[:2]

        def between(share):
            mixed = jax.tree.map(lambda a, b: (1 - share) * a + share * b, *ends)
            return self.conditional(mixed[:groups], key, shape, temperature)

        shares = jnp.arange(1, count + 1, dtype=jnp.float32) / (count + 1)
        return jax.lax.map(between, shares)

    def _decoded(self, latents: list, kind: str) -> jax.Array:
        """Images from batches of latents of either kind."""
        shapes = [tuple(z.shape[1:]) for z in latents]
        expected = [tuple(z.shape) for z in self.zeros()]
        if shapes != expected:
            raise InputError(
                f"latents: have shapes {shapes}, expected {expected}; pass what encode"
                " returns"
            )
        x = jnp.zeros((len(latents[0]), *shapes[0]), jnp.float32)
        for block in reversed(range(self.num_groups)):
            z = jnp.asarray(latents[self.num_groups - 1 - block], jnp.float32)
            mean, log_std = self._prior(block, x)
            z = mean + jnp.exp(log_std) * z if kind == "whitened" else z
            last = block == self.num_groups - 1
            x = z if last else jnp.concatenate([x, z], -1)
            linear, _ = steps.prepared(self._of(block)["steps"], "matrix")
            coupling = steps.coupling(self.config, block)
            x = unsqueeze(flow_steps.decode(coupling, linear, x))
        return x + _CENTRE

    def _split(self, block: int, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """What goes on to the next block, and the block's latent."""
        if block == self.num_groups - 1:
            return jnp.zeros_like(x), x
        kept, z = jnp.split(x, 2, -1)
        return kept, z

    def _prior(self, block: int, kept: jax.Array) -> list[jax.Array]:
        """Mean and log deviation of p(z_l | z_<l), in nets' layout."""
        network = steps.prior_network(self.config, block)
        out: Any = network.apply({"params": self._of(block)["prior"]}, kept)
        return jnp.split(out, 2, -1)

    def _of(self, block: int) -> dict:
        return self.params[f"block_{block}"]

    def _checked(self, images: jax.Array) -> jax.Array:
        channels = self.config.image_channels
        if images.ndim != 4 or images.shape[-1] != channels:
            raise InputError(
                f"image: shape {images.shape[1:]}, expected (H, W, {channels}); use"
                " jax.vmap for batches"
            )
        self._check_size(images.shape[1:3])
        return jnp.asarray(images, jnp.float32)

    def _check_size(self, shape: tuple[int, ...]) -> None:
        size = self.config.image_size
        if tuple(shape) != (size, size):
            raise InputError(
                f"image: height and width {tuple(shape)}, this Glow takes {size} x"
                f" {size} alone; resize or crop"
            )


def _kind(latents: str) -> str:
    if latents not in LATENTS:
        raise InputError(f"latents={latents!r}: expected one of {', '.join(LATENTS)}")
    return latents
