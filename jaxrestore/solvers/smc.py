"""Weighted draws of the latents: importance sampling, and sequential Monte Carlo."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.priors.base import Proposes
from jaxrestore.pytrees import pytree
from jaxrestore.settings import count, number
from jaxrestore.solvers import checks
from jaxrestore.solvers import temperature as temperatures


@pytree
@dataclass(frozen=True, eq=False)
class Particles:
    """Draws of p(x, z | y) with weights.

    Attributes:
        images: (N, H, W, C), each drawn from p(x | z, y).
        latents: z of each, one (N, ...) array per group.
        weights: (N,), their sum is 1.
        log_evidence: () estimate of log p(y), up to the constant that
            `Observation.log_marginal` leaves out; its exponential is unbiased.
        effective: (stages,) 1 / sum(weights^2) at the end of each stage, of N. A few of
            N at the last stage mean that the draws say nothing.
    """

    images: jax.Array
    latents: tuple[jax.Array, ...]
    weights: jax.Array
    log_evidence: jax.Array
    effective: jax.Array

    @property
    def mean(self) -> jax.Array:
        """(H, W, C), the estimate of E[x | y]."""
        return jnp.tensordot(self.weights, self.images, 1)

    @property
    def std(self) -> jax.Array:
        """(H, W, C)."""
        squares = jnp.square(self.images - self.mean)
        return jnp.sqrt(jnp.tensordot(self.weights, squares, 1))


def smc(
    prior: Proposes,
    observation: Observation,
    *,
    key: jax.Array,
    particles: int,
    image: jax.Array,
    groups: int | None = None,
    temperature: Any = 1.0,
    decoder_std: Any = None,
    encoder_noise: Any = None,
    spread: Any = 2.0,
    threshold: Any = 0.5,
) -> Particles:
    """Draw z coarse to fine beside a restored image, weigh and resample.

    The law is that of `Gibbs` with x integrated out,

        p(z | y)  ~  p(y | z) prod_l p_tau(z_l | z_<l),
        p(y | z) = int p(y | A x) N(x; mu(z), gamma^2) dx,

    and z_l is proposed from q_tau(z_l | z_<l, x0) with x0 = `image`, the restoration of
    another method. A stage draws some groups, completes the others by the mean of
    their proposals, weighs by p(y | completed z) and p_tau / q_tau of the groups drawn
    so far, and resamples (systematically) where the effective number of particles is
    below `threshold` of N. The last stage is the law itself, so that averages over the
    weights tend to its own with N, whatever the stages; with ``groups=L`` there is one
    stage: self-normalised importance sampling.

    Each stage takes N walks through the network, and so does the end. Weights of large
    images are hopeless (`effective` says so): this is for small problems, and to check
    `Gibbs` on them.

    Args:
        prior: what `Proposes`.
        observation: y, A, sigma. A and gamma as `Observation.log_marginal` takes them.
        key: random key.
        particles: static, N.
        image: x0, (H, W, C).
        groups: static, drawn in a stage; None: one.
        temperature, decoder_std, encoder_noise: as for `Gibbs`.
        spread: >= 1, of the proposals' noise e. q(z | x0) knows all of x0 and so is
            narrower than p(z | y), which weights cannot mend; many latents want less.
        threshold: in [0, 1]; 0 never resamples.

    Raises:
        InputError: a setting out of its range.
    """
    size = prior.num_groups
    each: int = count(1, size)(1 if groups is None else groups, "groups")
    particles = count(2)(particles, "particles")
    tau = temperatures.temperature(temperature, "temperature")
    tau = temperatures.for_groups(tau, size)
    gamma = checks.decoder_std(decoder_std, "decoder_std")
    told = checks.encoder_noise(encoder_noise, "encoder_noise")
    threshold = number(0, 1)(threshold, "threshold")
    spread = number(1, 100)(spread, "spread")
    if tuple(image.shape) != tuple(observation.image_shape):
        raise InputError(
            f"image has shape {tuple(image.shape)}; expected"
            f" {tuple(observation.image_shape)}, as the operator takes it"
        )
    stages = (*range(each, size, each), size)
    settings = tau, gamma, told, spread, threshold
    given = jax.device_put((prior, observation, image, settings))
    return _smc(*given, key, particles=particles, stages=stages)


@partial(jax.jit, static_argnames=("particles", "stages"))
def _smc(prior, observation, image, settings, key, particles, stages) -> Particles:
    tau, gamma, told, spread, threshold = settings
    shape = image.shape[:2]
    skips = prior.skips(image, told)
    noise_key, x_key, key = jax.random.split(key, 3)
    sizes = prior.latent_shapes(shape)
    keys = jax.random.split(noise_key, len(sizes))
    noise = tuple(
        spread * jax.random.normal(k, (particles, *s), image.dtype)
        for k, s in zip(keys, sizes, strict=True)
    )

    def weighed(noise, end):
        """Log of the law at one particle of which the groups below `end` are drawn."""
        kept = [jnp.where(i < end, e, 0) for i, e in enumerate(noise)]
        draw = prior.drawn(skips, kept, tau, shape)
        wider = jnp.stack([_wider(e, spread) for e in noise])
        own = jnp.where(jnp.arange(len(noise)) < end, draw.log_weight + wider, 0).sum()
        std = draw.decoded.std if gamma is None else gamma
        return own + observation.log_marginal(draw.decoded.mean, std), draw.decoded

    def stage(carry, inputs):
        noise, before, weights, evidence = carry
        end, key = inputs
        value, _ = jax.vmap(lambda e: weighed(e, end))(noise)
        weights = weights + value - before
        total = jax.nn.logsumexp(weights)
        share = jnp.exp(weights - total)
        effective = 1 / jnp.sum(share**2)
        poor = (effective < threshold * particles) & (end < len(noise))
        index = jnp.where(poor, _systematic(key, share), jnp.arange(particles))
        noise = tuple(
            jnp.where(i < end, e[index], e)  # what is drawn later stays independent
            for i, e in enumerate(noise)
        )
        gain = total - jnp.log(particles)
        evidence = jnp.where(poor, evidence + gain, evidence)
        weights = jnp.where(poor, jnp.zeros_like(weights), weights)
        return (noise, value[index], weights, evidence), effective

    zero = jnp.zeros(particles, image.dtype)
    ends = jnp.asarray(stages), jax.random.split(key, len(stages))
    carry = noise, zero, zero, zero[0]
    (noise, _, weights, evidence), effective = lax.scan(stage, carry, ends)
    total = jax.nn.logsumexp(weights)
    _, decoded = jax.vmap(lambda e: weighed(e, len(noise)))(noise)
    std = decoded.std if gamma is None else jnp.full_like(decoded.std, gamma)
    keys = jax.random.split(x_key, particles)
    return Particles(
        images=jax.vmap(observation.sample)(keys, decoded.mean, std),
        latents=decoded.latents,
        weights=jnp.exp(weights - total),
        log_evidence=evidence + total - jnp.log(particles),
        effective=effective,
    )


def _wider(noise: jax.Array, spread: jax.Array) -> jax.Array:
    """log N(e; 0, 1) - log N(e; 0, spread^2), summed."""
    return noise.size * jnp.log(spread) - (1 - spread**-2) / 2 * jnp.sum(noise**2)


def _systematic(key: jax.Array, weights: jax.Array) -> jax.Array:
    """Indices of as many particles, each as often as its weight says, up to one."""
    count = len(weights)
    places = (jax.random.uniform(key) + jnp.arange(count)) / count
    found = jnp.searchsorted(jnp.cumsum(weights), places)
    return jnp.minimum(found, count - 1)
