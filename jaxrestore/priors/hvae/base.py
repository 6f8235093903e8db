"""What every hierarchical VAE does alike: one walk, many uses."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.nets.convolution import input_gradients
from jaxrestore.priors.base import Reconstruction, TemperedDraw
from jaxrestore.priors.hvae.network import HierarchicalNetwork
from jaxrestore.priors.hvae.rules import (
    Below,
    Given,
    LatentRule,
    PosteriorSample,
    PriorMean,
    PriorSample,
    Tempered,
)
from jaxrestore.priors.hvae.tempered import AtLatents, FromNoise, keep, weighed
from jaxrestore.priors.hvae.walk import Collect, nothing


class Elbo(NamedTuple):
    """Terms of the evidence lower bound of one image.

    Attributes:
        decoder: p(x | z) at the drawn latents, in the network's units: a Gaussian or
            a mixture, with the image's height and width in front.
        kl: (L,) KL(q_l || p_l) of each group in nats, summed over its elements.
        elements: (L,) number of latent elements of each group.
        nats_per_dim: -log p(x | z) + sum_l KL_l, over H W C; a density of x on
            [-1, 1] for PatchVDVAE, a probability of pixel values for VDVAE.
        bits_per_dim: the same for 8-bit pixel values v, in bits. A density is taken
            times the width of their bins, 1/256 of the range, and is meant for
            dequantised images (v + u) / 256, u uniform on [0, 1) (`RandomPatch`): there
            this bounds the bits of v itself.
    """

    decoder: Any
    kl: jax.Array
    elements: jax.Array
    nats_per_dim: jax.Array
    bits_per_dim: jax.Array


@dataclass(frozen=True)
class HierarchicalVAE(HierarchicalNetwork):
    """What is asked of a hierarchical VAE: a pytree, its config static.

    All methods take one image (H, W, C), float32 in [0, 1]; ``jax.vmap`` makes
    batches. `HierarchicalNetwork` has the attributes, and what a subclass brings.
    """

    def reconstruct(
        self, image, temperature, encoder_noise=None, inside=None
    ) -> Reconstruction:
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
            inside: (H, W) bool, of images that need no padding: `log_prior` counts
                the latents whose first pixel is True alone. None: all.
        """
        rule = Tempered(jnp.asarray(temperature, jnp.float32))
        skips = self.skips(image, encoder_noise)
        return self._decoded(rule, skips, image.shape[:2], inside)

    def at(self, latents, shape: tuple[int, int]) -> Reconstruction:
        """p(x | z) and log p(z_l | z_<l) at given latents, by one walk.

        Differentiable in the latents; where the decoder's mean is clipped to [0, 1]
        its derivative is 0. Arguments as for :meth:`decode`.
        """
        self._check_groups(latents, self.num_groups)
        with input_gradients():
            return self._decoded(Given(tuple(latents)), None, shape)

    def prior_mean(self, shape: tuple[int, int]) -> Reconstruction:
        """The decoder where each latent is the mean of p(z_l | z_<l), by one walk.

        What `reconstruct` gives at temperature 0, whatever the image, without an
        encoder.

        Args:
            shape: (H, W) of the image.
        """
        return self._decoded(PriorMean(), None, shape)

    def _decoded(self, rule: LatentRule, skips, shape, inside=None) -> Reconstruction:
        def collect(z, prior, posterior):
            if inside is None:
                return z, prior.log_prob(z)
            down, across = (n // m for n, m in zip(shape, z.shape[:2], strict=True))
            return z, prior.log_prob(z, inside[::down, ::across, None])

        decoded, groups = self._walk(rule, skips, shape, collect)
        latents, log_prior = zip(*groups, strict=True)
        mean, std = self._to_unit(decoded)
        return Reconstruction(mean, std, latents, jnp.stack(log_prior))

    def drawn(self, skips, noise, temperature, shape) -> TemperedDraw:
        """Latents that noise makes of an image, see `priors.base.Proposes`."""
        rule = FromNoise(tuple(noise), jnp.asarray(temperature, jnp.float32))
        return self._weighed(rule, skips, temperature, shape)

    def placed(self, skips, latents, temperature, shape) -> TemperedDraw:
        """Given latents as such a draw, see `priors.base.Proposes`."""
        self._check_groups(latents, self.num_groups)
        return self._weighed(AtLatents(tuple(latents)), skips, temperature, shape)

    def _weighed(self, rule, skips, temperature, shape) -> TemperedDraw:
        decoded, groups = self._walk(rule, skips, shape, keep)
        return weighed(self._to_unit(decoded), groups, temperature)

    def encode(self, image, key, encoder_noise=None) -> tuple[jax.Array, ...]:
        """Draw z from q(z | x): one array (h_l, w_l, Z) per group, coarsest first."""
        skips = self.skips(image, encoder_noise)
        rule = PosteriorSample(key)
        return self._walk(rule, skips, image.shape[:2], lambda z, *_: z)[1]

    def decode(self, latents, shape: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
        """Mean and standard deviation of p(x | z), both (H, W, C), [0, 1] units.

        Args:
            latents: one array per group, as :meth:`encode` returns them.
            shape: (H, W) of the image.
        """
        return self._to_unit(self.decoder(latents, shape))

    def decoder(self, latents, shape: tuple[int, int]) -> Any:
        """p(x | z) itself, in the network's units: ``log_prob`` and ``sample``.

        Arguments as for :meth:`decode`.
        """
        self._check_groups(latents, self.num_groups)
        return self._walk(Given(tuple(latents)), None, shape, nothing)[0]

    def sample(self, key, shape: tuple[int, int], temperature=1.0) -> jax.Array:
        """Draw z from the prior and return the decoder mean, (H, W, C) in [0, 1].

        Args:
            shape: (H, W) of the image.
            temperature: scalar or (L,): p(z_l | z_<l) = N(mean, tau_l^2 std^2).
        """
        rule = PriorSample(key, jnp.asarray(temperature, jnp.float32))
        decoded, _ = self._walk(rule, None, shape, nothing)
        return self._to_unit(decoded)[0]

    def draw(self, key, shape: tuple[int, int], temperature=1.0) -> tuple:
        """Draw z from the prior: one array per group, arguments as for `sample`."""
        rule = PriorSample(key, jnp.asarray(temperature, jnp.float32))
        return self._walk(rule, None, shape, lambda z, *_: z)[1]

    def conditional(
        self,
        latents,
        key,
        shape: tuple[int, int],
        temperature=1.0,
        groups=None,
        pixels: bool = False,
    ) -> jax.Array:
        """Draw from p(x | z_<k): the decoder mean, (H, W, C) in [0, 1].

        The groups from k on are drawn from the prior.

        Args:
            latents: the first groups, as `encode` returns them, at most L.
            shape: (H, W) of the image.
            temperature: scalar or (L,), of the groups from k on.
            groups: k, at most as many as there are latents, may be traced; None: as
                many.
            pixels: draw the pixels from p(x | z), too, as the thesis defines the
                distribution; not clipped. False: the decoder mean.
        """
        self._check_groups(latents, 0)
        drawn = PriorSample(key, jnp.asarray(temperature, jnp.float32))
        k = len(latents) if groups is None else groups
        rule = Below(k, Given(tuple(latents)), drawn)
        decoded, _ = self._walk(rule, None, shape, nothing)
        return self._image(decoded, key if pixels else None)

    def interpolate(
        self, first, second, key, groups: int, count: int, temperature=1.0
    ) -> jax.Array:
        """Images between two images (thesis, Algorithm 2): (count, H, W, C).

        Draws z_<k of both from q(z | x), mixes them linearly with weights i / (n + 1),
        i = 1 ... n, and draws each image from p(x | mixed z_<k).

        Args:
            first, second: (H, W, C) in [0, 1].
            groups: k in 0 ... L.
            count: n, how many images.
            temperature: of the groups from k on.
        """
        first_key, second_key, tail_key = jax.random.split(key, 3)
        ends = self.encode(first, first_key), self.encode(second, second_key)
        shape = first.shape[:2]

        def between(share):
            mixed = jax.tree.map(lambda a, b: (1 - share) * a + share * b, *ends)
            return self.conditional(mixed[:groups], tail_key, shape, temperature)

        shares = jnp.arange(1, count + 1, dtype=jnp.float32) / (count + 1)
        return jax.lax.map(between, shares)

    def importance_bound(self, image, key, samples: int) -> jax.Array:
        """Importance-weighted bound on log p(x), nats per dimension (larger: better).

        log (1/K) sum_k p(x | z_k) p(z_k) / q(z_k | x), z_k drawn from q(z | x), over
        H W C; K = 1 is the evidence lower bound, and the bound rises with K to
        log p(x) (Burda et al. 2016). Units of x as in `Elbo.nats_per_dim`.

        Args:
            image: x, (H, W, C) in [0, 1].
            samples: K.
        """
        skips, target = self.skips(image), self._target(self._checked(image))

        def collect(z, prior, posterior):
            return prior.log_prob(z) - posterior.log_prob(z)

        def log_weight(key):
            rule = PosteriorSample(key)
            decoded, groups = self._walk(rule, skips, image.shape[:2], collect)
            return decoded.log_prob(target) + jnp.stack(groups).sum()

        weights = jax.lax.map(log_weight, jax.random.split(key, samples))
        return (jax.nn.logsumexp(weights) - jnp.log(samples)) / image.size

    def visit(self, image, rule: LatentRule, collect: Collect, encoder_noise=None):
        """What `collect(z, prior, posterior)` keeps of each group, coarsest first.

        Args:
            image: what the encoder sees, (H, W, C).
            rule: decides each latent, see `rules`.
            collect: of a latent and the `Gaussian`s p(z_l | z_<l), q(z_l | z_<l, x)
                to any pytree, the same for every group; a tuple of these is returned.
        """
        skips = self.skips(image, encoder_noise)
        return self._walk(rule, skips, image.shape[:2], collect)[1]

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
        skips = self.skips(seen, encoder_noise)
        rule = PosteriorSample(key)
        decoded, groups = self._walk(rule, skips, image.shape[:2], collect)
        kl, elements = (jnp.stack(part) for part in zip(*groups, strict=True))
        rate = -decoded.log_prob(self._target(self._checked(image))) + kl.sum()
        nats = rate / image.size
        bits = (nats + self.log_bins) / jnp.log(2.0)
        return Elbo(decoded, kl, elements, nats, bits)
