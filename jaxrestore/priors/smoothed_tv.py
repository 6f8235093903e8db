"""Smoothed total variation, the plainest differentiable regulariser."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True)
class SmoothedTV:
    """g(x) = mean over pixels of sqrt( sum_c |(Dx)_{pixel, c}|^2 + eps^2 ).

    D are the two forward differences, periodic as in `solvers.TV`.

    Attributes:
        epsilon: eps > 0 in [0, 1] units; differences below it cost quadratically.
    """

    epsilon: Any = 1e-2

    def __call__(self, image: jax.Array) -> jax.Array:
        """g(image); (H, W, C) -> ()."""
        differences = [jnp.roll(image, -1, axis) - image for axis in (0, 1)]
        squares = sum(jnp.sum(d**2, -1) for d in differences)
        return jnp.mean(jnp.sqrt(squares + self.epsilon**2))
