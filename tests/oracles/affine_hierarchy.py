"""A hierarchy of affine Gaussians: every claim about it has a closed form."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import eigh

from jaxrestore.priors.base import Reconstruction, TemperedDraw
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True)
class AffineHierarchy:
    """p(z_l | z_<l), q(z_l | z_<l, x) and p(x | z) with affine means, constant spreads.

    Group l reads `prior_maps[l] @ z_<l` and `encoder_maps[l] @ [z_<l, x]`. The
    coordinates `whiten[l] @ z_l` make both spreads diagonal: the prior's precision
    is 1 there, the encoder's `sharpness[l]`. The decoder is N(W z + c, diag(std^2)).
    """

    prior_maps: tuple[Any, ...]
    prior_offsets: tuple[Any, ...]
    encoder_maps: tuple[Any, ...]
    encoder_offsets: tuple[Any, ...]
    whiten: tuple[Any, ...]
    unwhiten: tuple[Any, ...]
    sharpness: tuple[Any, ...]
    log_volumes: tuple[Any, ...]
    decoder_map: Any
    decoder_offset: Any
    decoder_std: Any
    shape: tuple[int, int, int] = field(metadata={"static": True})

    @property
    def num_groups(self):
        return len(self.prior_maps)

    def prior(self, group, above):
        """Mean of p(z_l | z_<l); `above` holds z_<l in one vector."""
        return self.prior_maps[group] @ above + self.prior_offsets[group]

    def encoder(self, group, above, image):
        """Mean of q(z_l | z_<l, x)."""
        seen = jnp.concatenate([above, image.ravel()])
        return self.encoder_maps[group] @ seen + self.encoder_offsets[group]

    def tempered(self, group, above, image, tau):
        """Mean and sharpness of the tempered posterior factor (Proposition 5.1)."""
        lam = 1 / tau**2 - 1
        mean_p = self.whiten[group] @ self.prior(group, above)
        mean_q = self.whiten[group] @ self.encoder(group, above, image)
        sharpness = self.sharpness[group] + lam
        share = self.sharpness[group] / sharpness  # 0 at tau = 0
        blend = mean_p + share * (mean_q - mean_p)
        return self.unwhiten[group] @ blend, sharpness

    def log_density(self, group, z, mean, sharpness=1.0):
        """log N(z; mean, (W' diag(sharpness) W)^-1) with W = whiten[group]."""
        deviation = self.whiten[group] @ (z - mean)
        spread = jnp.sum(jnp.log(sharpness / (2 * jnp.pi)) * jnp.ones_like(z))
        quadratic = jnp.sum(sharpness * deviation**2)
        return self.log_volumes[group] + 0.5 * (spread - quadratic)

    def log_prior(self, latents):
        """(L,) log p(z_l | z_<l)."""
        above, values = jnp.zeros(0, self.decoder_map.dtype), []
        for group, z in enumerate(latents):
            values.append(self.log_density(group, z, self.prior(group, above)))
            above = jnp.concatenate([above, z])
        return jnp.stack(values)

    def j2_terms(self, image, latents, temperature):
        """(L,) -log q(z_l | z_<l, x) - (1/tau_l^2 - 1) log p(z_l | z_<l).

        Their sum is the part of J2(x, z), (5.23) and (5.29), that depends on z.
        """
        taus = jnp.broadcast_to(jnp.asarray(temperature), (self.num_groups,))
        above, terms = jnp.zeros(0, self.decoder_map.dtype), []
        for group, z in enumerate(latents):
            mean_q, mean_p = self.encoder(group, above, image), self.prior(group, above)
            log_q = self.log_density(group, z, mean_q, self.sharpness[group])
            log_p = self.log_density(group, z, mean_p)
            terms.append(-log_q - (1 / taus[group] ** 2 - 1) * log_p)
            above = jnp.concatenate([above, z])
        return jnp.stack(terms)

    def j2(self, image, latents, temperature):
        """The part of J2(x, z) that depends on z."""
        return jnp.sum(self.j2_terms(image, latents, temperature))

    def omitted(self, image, latents, temperature):
        """(L,) C_l of `j2_terms`, which the proof of Proposition 5.2 leaves out.

        C_l = (m_q - m_p)' (S_q + S_p / lambda)^-1 (m_q - m_p) / 2 depends on z_<l.
        """
        taus = jnp.broadcast_to(jnp.asarray(temperature), (self.num_groups,))
        above, terms = jnp.zeros(0, self.decoder_map.dtype), []
        for group, z in enumerate(latents):
            gap = self.encoder(group, above, image) - self.prior(group, above)
            lam = 1 / taus[group] ** 2 - 1
            weight = lam * self.sharpness[group] / (lam + self.sharpness[group])
            terms.append(0.5 * jnp.sum(weight * (self.whiten[group] @ gap) ** 2))
            above = jnp.concatenate([above, z])
        return jnp.stack(terms)

    def decode(self, latents, shape=None):
        mean = self.decoder_map @ jnp.concatenate(latents) + self.decoder_offset
        std = jnp.broadcast_to(self.decoder_std, self.decoder_offset.shape)
        return mean.reshape(self.shape), std.reshape(self.shape)

    def reconstruct(self, image, temperature, encoder_noise=None):
        taus = jnp.broadcast_to(jnp.asarray(temperature), (self.num_groups,))
        above, latents = jnp.zeros(0, self.decoder_map.dtype), []
        for group in range(self.num_groups):
            z, _ = self.tempered(group, above, image, taus[group])
            latents.append(z)
            above = jnp.concatenate([above, z])
        return self.at(latents, image.shape[:2])

    def latent_shapes(self, shape):
        return tuple(offset.shape for offset in self.prior_offsets)

    def skips(self, image, encoder_noise=None):
        return image

    def drawn(self, skips, noise, temperature, shape):
        def latent(group, mean, sharpness):
            return mean + self.unwhiten[group] @ (noise[group] / jnp.sqrt(sharpness))

        return self._weighed(skips, temperature, shape, latent)

    def placed(self, skips, latents, temperature, shape):
        return self._weighed(
            skips, temperature, shape, lambda group, *_: latents[group]
        )

    def _weighed(self, image, temperature, shape, latent):
        taus = jnp.broadcast_to(jnp.asarray(temperature), (self.num_groups,))
        above, latents = jnp.zeros(0, self.decoder_map.dtype), []
        noise, weights = [], []
        for group, tau in enumerate(taus):
            mean, sharpness = self.tempered(group, above, image, tau)
            z, prior = latent(group, mean, sharpness), self.prior(group, above)
            cold = self.log_density(group, z, prior, tau**-2 * jnp.ones_like(sharpness))
            weights.append(cold - self.log_density(group, z, mean, sharpness))
            noise.append(jnp.sqrt(sharpness) * (self.whiten[group] @ (z - mean)))
            latents.append(z)
            above = jnp.concatenate([above, z])
        decoded = self.at(latents, shape)
        return TemperedDraw(decoded, tuple(noise), jnp.stack(weights))

    def prior_mean(self, shape):
        above, latents = jnp.zeros(0, self.decoder_map.dtype), []
        for group in range(self.num_groups):
            latents.append(self.prior(group, above))
            above = jnp.concatenate([above, latents[-1]])
        return self.at(latents, shape)

    def at(self, latents, shape):
        mean, std = self.decode(latents)
        return Reconstruction(mean, std, tuple(latents), self.log_prior(latents))

    def marginal(self):
        """Mean and covariance of p(x), vectors in row-major order."""
        mean, covariance = _joint(self)
        n = self.decoder_offset.shape[0]
        return mean[-n:], covariance[-n:, -n:]


def random_hierarchy(seed, shape=(4, 4, 1), groups=(2, 3, 4), std=0.2, gain=0.3):
    """A hierarchy whose encoder is any affine Gaussian, not the true posterior."""
    rng, n = np.random.default_rng(seed), int(np.prod(shape))
    above = [0, *np.cumsum(groups)[:-1]]
    sizes = list(zip(groups, above, strict=True))
    whiten = [np.eye(d) + 0.3 * rng.normal(size=(d, d)) for d in groups]
    return AffineHierarchy(
        prior_maps=tuple(gain * rng.normal(size=(d, a)) for d, a in sizes),
        prior_offsets=tuple(0.1 * rng.normal(size=d) for d in groups),
        encoder_maps=tuple(gain * rng.normal(size=(d, a + n)) for d, a in sizes),
        encoder_offsets=tuple(0.1 * rng.normal(size=d) for d in groups),
        **_coordinates(whiten),
        sharpness=tuple(rng.uniform(0.5, 3, d) for d in groups),
        decoder_map=0.5 * gain * rng.normal(size=(n, sum(groups))),
        decoder_offset=0.5 + 0.1 * rng.normal(size=n),
        decoder_std=np.float64(std) if np.ndim(std) == 0 else std,
        shape=shape,
    )


def exact_hierarchy(seed, shape=(4, 4, 1), groups=(2, 3, 4), std=0.2, gain=0.3):
    """A hierarchy whose encoder is its own true posterior q(z|x) = p(z|x)."""
    base = random_hierarchy(seed, shape, groups, std, gain)
    mean, covariance = _joint(base)
    image = np.arange(sum(groups), len(mean))
    maps, offsets, whiten, sharpness, first = [], [], [], [], 0
    for group, size in enumerate(groups):
        own = np.arange(first, first + size)
        seen = np.concatenate([np.arange(first), image]).astype(int)
        cross = covariance[np.ix_(own, seen)]
        lift = np.linalg.solve(covariance[np.ix_(seen, seen)], cross.T).T
        left = covariance[np.ix_(own, own)] - lift @ cross.T
        maps.append(lift)
        offsets.append(mean[own] - lift @ mean[seen])
        prior_precision = base.whiten[group].T @ base.whiten[group]
        values, vectors = eigh(np.linalg.inv(left), prior_precision)
        whiten.append(np.linalg.inv(vectors))
        sharpness.append(values)
        first += size
    return replace(
        base,
        encoder_maps=tuple(maps),
        encoder_offsets=tuple(offsets),
        **_coordinates(whiten),
        sharpness=tuple(sharpness),
    )


def tempered_hierarchy(p, tau):
    """The tempered prior (5.14): p(z_l | z_<l)^(1 / tau_l^2) normalised, same p(x | z).

    Its volumes are constant, so that it is the hierarchy with deviations tau times as
    large. Its encoder's coordinates are no longer meant to be used.
    """
    taus = np.broadcast_to(tau, p.num_groups)
    return replace(
        p, unwhiten=tuple(t * u for t, u in zip(taus, p.unwhiten, strict=True))
    )


def joint_minimiser(p, matrix, y, sigma, std, tau=1.0):
    """(x, z) of least J1 for A = `matrix` and gamma = `std`, as vectors.

    J1 is the sum of |rows v - target|^2 / 2 over v = (x, z).
    """
    n = matrix.shape[1]
    x, z = np.split(np.eye(n + sum(o.size for o in p.prior_offsets)), [n])
    rows = [matrix @ x / sigma, (x - p.decoder_map @ z) / std]
    targets = [y.ravel() / sigma, p.decoder_offset / std]
    above = np.zeros((0, x.shape[1]))
    for group, offset in enumerate(p.prior_offsets):
        own = z[len(above) : len(above) + offset.size]
        weight = p.whiten[group] / np.broadcast_to(tau, p.num_groups)[group]
        rows.append(weight @ (own - p.prior_maps[group] @ above))
        targets.append(weight @ offset)
        above = np.concatenate([above, own])
    best = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets))[0]
    return np.split(best, [n])


def joint_posterior(p, matrix, y, sigma, std, tau=1.0):
    """Mean and covariance of (x, z) given y = A x + noise, as vectors.

    The prior's groups have the temperatures tau, the decoder the deviation `std`.
    """
    taus = np.broadcast_to(tau, p.num_groups)
    cold = tuple(t * np.asarray(w) for t, w in zip(taus, p.unwhiten, strict=True))
    mean, covariance = _joint(replace(p, unwhiten=cold, decoder_std=std))
    size = len(mean) - matrix.shape[1]
    order = np.r_[size : len(mean), :size]
    mean, covariance = mean[order], covariance[np.ix_(order, order)]
    rows = np.hstack([matrix, np.zeros((len(matrix), size))])
    cross = covariance @ rows.T
    noise = sigma**2 * np.eye(len(matrix))
    gain = np.linalg.solve(rows @ cross + noise, cross.T).T
    residual = np.asarray(y).ravel() - matrix @ mean[: matrix.shape[1]]
    return mean + gain @ residual, covariance - gain @ cross.T


def as_arrays(hierarchy, dtype=jnp.float32):
    """The same hierarchy with its numbers on the device."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), hierarchy)


def _coordinates(whiten):
    return {
        "whiten": tuple(whiten),
        "unwhiten": tuple(np.linalg.inv(w) for w in whiten),
        "log_volumes": tuple(np.linalg.slogdet(w)[1] for w in whiten),
    }


def _joint(h):
    """Mean and covariance of (z_0, ..., z_{L-1}, x) by ancestral composition."""
    mean, root = np.zeros(0), np.zeros((0, 0))
    for group in range(h.num_groups):
        noise = np.asarray(h.unwhiten[group])
        lift, offset = h.prior_maps[group], h.prior_offsets[group]
        mean, root = _append(mean, root, lift, offset, noise)
    n = len(h.decoder_offset)
    noise = np.diag(np.broadcast_to(h.decoder_std, n))
    mean, root = _append(mean, root, h.decoder_map, h.decoder_offset, noise)
    return mean, root @ root.T


def _append(mean, root, lift, offset, noise):
    """Extend x = mean + root e by the block lift x + offset + noise e'."""
    top = np.hstack([root, np.zeros((root.shape[0], noise.shape[1]))])
    bottom = np.hstack([lift @ root, noise])
    return np.concatenate([mean, lift @ mean + offset]), np.vstack([top, bottom])
