"""What VBLE optimises, and what it draws."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.nets.bounds import lower_bound, upper_bound

WIDTHS = (1.5e-5, 20.0)  # that a may have
SHARES = (1e-4, 3.0)  # that b may have


class Point(NamedTuple):
    """What is optimised.

    Attributes:
        mean: middle of q, one array per latent group, the coarsest first.
        log_width: log a, of the same shapes; () where q is a point.
        log_share: log b, (H, W, C); None without it.
    """

    mean: tuple[jax.Array, ...]
    log_width: tuple[jax.Array, ...]
    log_share: jax.Array | None = None


class Noise(NamedTuple):
    """What one step draws, S draws along leading axes.

    Attributes:
        latents: uniform on +-1/2 or standard normal, one array per latent group.
        image: standard normal, (S, H, W, C); None without `Point.log_share`.
    """

    latents: tuple[jax.Array, ...]
    image: jax.Array | None = None


class Terms(NamedTuple):
    """The objective's terms per pixel, and an image x, the first that was drawn."""

    misfit: jax.Array
    divergence: jax.Array
    image: jax.Array


def bounded(log_value: jax.Array, ends: tuple[float, float]) -> jax.Array:
    """exp of the value, kept within the ends by bounds that let the gradient back."""
    low, high = (math.log(end) for end in ends)
    return jnp.exp(upper_bound(lower_bound(log_value, low), high))


def widths_of(point: Point) -> tuple[jax.Array, ...]:
    """a, one array per latent group; () where q is a point."""
    return tuple(bounded(log_width, WIDTHS) for log_width in point.log_width)


def moved(mean, widths, noise) -> tuple[jax.Array, ...]:
    """m + a u of each draw; m where q is a point."""
    if not widths:
        return tuple(
            jnp.broadcast_to(m, u.shape) for m, u in zip(mean, noise, strict=True)
        )
    parts = zip(mean, widths, noise, strict=True)
    return tuple(m + a * u for m, a, u in parts)
