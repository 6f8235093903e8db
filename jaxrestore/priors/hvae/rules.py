"""Latent rules: what happens at a latent group during the top-down walk.

A rule is a small pytree with two parts. ``inputs(start, count, shape)`` gives what
``count`` groups from number ``start`` on need, as arrays with a leading axis over the
groups (the walk scans over it; ``shape`` is the shape of one latent). Calling the rule
with one slice of that, the prior and the posterior returns the latent.
"""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jaxrestore.priors.hvae.gaussian import Gaussian, blend


class LatentRule(Protocol):
    """What the walk asks of a rule; see the module's docstring."""

    @property
    def uses_posterior(self) -> bool: ...

    def inputs(self, start: int, count: int, shape: tuple[int, ...]) -> Any: ...

    def __call__(
        self, inputs: Any, prior: Gaussian, posterior: Gaussian | None
    ) -> jax.Array: ...


def temperatures(temperature: jax.Array | float, start: int, count: int) -> jax.Array:
    """(count,) those of the groups from `start` on, of a scalar or (L,)."""
    temperature = jnp.asarray(temperature, jnp.float32)
    if temperature.ndim == 0:
        return jnp.broadcast_to(temperature, (count,))
    return temperature[start : start + count]


def _draws(rule: Any, start: int, count: int, shape: Any) -> tuple:
    """Key and temperature of each group, of a rule that has both."""
    fold = jax.vmap(lambda group: jax.random.fold_in(rule.key, group))
    keys = fold(jnp.arange(start, start + count))
    return keys, temperatures(rule.temperature, start, count)


class PriorMean(NamedTuple):
    """z = mean of p(z_l | z_<l)."""

    uses_posterior = False

    def inputs(self, start, count, shape):
        return None

    def __call__(self, inputs, prior, posterior):
        return prior.mean


class PosteriorSample(NamedTuple):
    """z drawn from q(z_l | z_<l, x), or from N(its mean, tau_l^2 its variance)."""

    key: jax.Array
    temperature: jax.Array | float = 1.0
    uses_posterior = True
    inputs = _draws

    def __call__(self, inputs, prior, posterior):
        return posterior.sample(*inputs)


class Tempered(NamedTuple):
    """Algorithm 3: the mode of q(z_l | .) p(z_l | z_<l)^(1/tau_l^2 - 1).

    ``temperature``: a scalar, or one value per group, top group first.
    """

    temperature: jax.Array
    uses_posterior = True

    def inputs(self, start, count, shape):
        return temperatures(self.temperature, start, count)

    def __call__(self, inputs, prior, posterior):
        return blend(prior, posterior, inputs)


class PriorSample(NamedTuple):
    """z drawn from N(prior mean, tau_l^2 prior variance)."""

    key: jax.Array
    temperature: jax.Array
    uses_posterior = False
    inputs = _draws

    def __call__(self, inputs, prior, posterior):
        return prior.sample(*inputs)


class Given(NamedTuple):
    """z as handed in, a tuple with one array per group; zeros beyond its end."""

    latents: tuple[jax.Array, ...]
    uses_posterior = False

    def inputs(self, start, count, shape):
        given = self.latents[start : start + count]
        missing = [jnp.zeros(shape, jnp.float32)] * (count - len(given))
        return jnp.stack([*given, *missing])

    def __call__(self, inputs, prior, posterior):
        return inputs


class Below(NamedTuple):
    """One rule for the groups below ``split``, another from it on."""

    split: int | jax.Array
    below: LatentRule
    above: LatentRule

    @property
    def uses_posterior(self) -> bool:
        return self.below.uses_posterior or self.above.uses_posterior

    def inputs(self, start, count, shape):
        return (
            jnp.arange(start, start + count) < self.split,
            self.below.inputs(start, count, shape),
            self.above.inputs(start, count, shape),
        )

    def __call__(self, inputs, prior, posterior):
        is_below, below, above = inputs
        return jnp.where(
            is_below,
            self.below(below, prior, posterior),
            self.above(above, prior, posterior),
        )
