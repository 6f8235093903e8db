"""Densities of latents under uniform noise: the log of the mass of a unit box."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.nets.bounds import lower_bound

FLOOR = 1e-9  # of a mass
SMALLEST_SCALE = 0.11
WIDTHS = (1, 3, 3, 3, 3, 1)
_SPREAD = 10.0  # of a fresh density
_TAIL = 1e-9  # mass outside the outer quantiles


class Boxed(NamedTuple):
    """N(mean, max(scale, 0.11)^2) convolved with the uniform density on +-1/2.

    Attributes:
        mean: (H, W, M).
        scale: (H, W, M), before the bound.
    """

    mean: jax.Array
    scale: jax.Array

    def mass(self, value: jax.Array) -> jax.Array:
        """The density at each value, at least 1e-9: Phi of the ends of a unit box."""
        scale = lower_bound(self.scale, SMALLEST_SCALE)
        distance = jnp.abs(value - self.mean)
        upper, lower = (0.5 - distance) / scale, (-0.5 - distance) / scale
        return lower_bound(_phi(upper) - _phi(lower), FLOOR)

    def log_prob(self, value: jax.Array) -> jax.Array:
        """The logarithm summed over all elements, in nats."""
        return jnp.log(self.mass(value)).sum()

    def sample(self, key: jax.Array) -> jax.Array:
        """A draw, (H, W, M)."""
        for_normal, for_box = jax.random.split(key)
        scale = jnp.maximum(self.scale, SMALLEST_SCALE)
        normal = jax.random.normal(for_normal, self.mean.shape, self.mean.dtype)
        box = jax.random.uniform(for_box, self.mean.shape, self.mean.dtype, -0.5, 0.5)
        return self.mean + scale * normal + box


def _phi(x: jax.Array) -> jax.Array:
    return 0.5 * jax.lax.erfc(-(2**-0.5) * x)


def init(channels: int, key: jax.Array) -> dict[str, jax.Array]:
    """Parameters of a fresh factorised density of so many channels."""
    params = {}
    scale = _SPREAD ** (1 / (len(WIDTHS) - 1))
    for i, (inputs, outputs) in enumerate(zip(WIDTHS, WIDTHS[1:], strict=False)):
        start = math.log(math.expm1(1 / (scale * outputs)))
        shape = (channels, outputs, 1)
        params[f"matrix_{i}"] = jnp.full((channels, outputs, inputs), start)
        draw = jax.random.uniform(jax.random.fold_in(key, i), shape, jnp.float32)
        params[f"bias_{i}"] = draw - 0.5
        if outputs > 1:
            params[f"factor_{i}"] = jnp.zeros(shape, jnp.float32)
    ends = jnp.array([-_SPREAD, 0.0, _SPREAD], jnp.float32)
    params["quantiles"] = jnp.broadcast_to(ends, (channels, 1, 3))
    return jax.tree.map(lambda p: p.astype(jnp.float32), params)


def logits(params: dict, values: jax.Array) -> jax.Array:
    """The logit of each channel's distribution function, (N, M) -> (N, M).

    Balle et al. (2018), appendix 6.1: layers u <- softplus(H) u + b, all but the last
    followed by u <- u + tanh(a) tanh(u).
    """
    u = values.T[:, None, :]
    for i in range(len(WIDTHS) - 1):
        u = jax.nn.softplus(params[f"matrix_{i}"]) @ u + params[f"bias_{i}"]
        if f"factor_{i}" in params:
            u = u + jnp.tanh(params[f"factor_{i}"]) * jnp.tanh(u)
    return u[:, 0].T


def mass(params: dict, h: jax.Array) -> jax.Array:
    """The factorised density convolved with the unit box, (..., M), at least 1e-9."""
    flat = h.reshape(-1, h.shape[-1])
    lower, upper = logits(params, flat - 0.5), logits(params, flat + 0.5)
    # On the side where the difference of sigmoids does not cancel.
    side = -jax.lax.stop_gradient(jnp.sign(lower + upper))
    difference = jax.nn.sigmoid(side * upper) - jax.nn.sigmoid(side * lower)
    return lower_bound(jnp.abs(difference), FLOOR).reshape(h.shape)


def log_prob(params: dict, h: jax.Array) -> jax.Array:
    """The logarithm of `mass` summed over all elements, in nats."""
    return jnp.log(mass(params, h)).sum()


def median(params: dict) -> jax.Array:
    """(M,): the middle of the stored quantiles, which `quantile_loss` trains."""
    return params["quantiles"][:, 0, 1]


def quantile_loss(params: dict) -> jax.Array:
    """sum |logit(q) - logit of its level| over the stored quantiles.

    At 5e-10, 1/2 and 1 - 5e-10; the density itself gets no gradient.
    """
    fixed = {
        k: v if k == "quantiles" else jax.lax.stop_gradient(v)
        for k, v in params.items()
    }
    end = math.log(2 / _TAIL - 1)
    wanted = jnp.array([[-end], [0.0], [end]], jnp.float32)
    return jnp.abs(logits(fixed, params["quantiles"][:, 0].T) - wanted).sum()


def sample(params: dict, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """A draw of the density convolved with the box, (..., M), by bisection."""
    for_value, for_box = jax.random.split(key)
    level = jax.random.uniform(
        for_value, (math.prod(shape[:-1]), shape[-1]), jnp.float32, 1e-6, 1 - 1e-6
    )
    wanted = jax.scipy.special.logit(level)

    def halved(_, ends):
        low, high = ends
        middle = (low + high) / 2
        below = logits(params, middle) < wanted
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    wide = jnp.full(level.shape, 1e3, jnp.float32)
    low, _ = jax.lax.fori_loop(0, 40, halved, (-wide, wide))
    box = jax.random.uniform(for_box, shape, jnp.float32, -0.5, 0.5)
    return low.reshape(shape) + box
