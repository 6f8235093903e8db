"""How much the draws of a posterior differ from one another."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxrestore.errors import InputError
from jaxrestore.metrics.quality import mse


def average_pairwise_distance(
    samples: ArrayLike, distance: Callable[..., jax.Array] = mse
) -> jax.Array:
    """Mean of `distance` over the N (N - 1) / 2 pairs of draws (APD, thesis 6.4).

    The thesis averages this over 500 inputs with N = 5, `distance` the mean squared
    error ([0, 1] pixels) or LPIPS. For independent draws the former is twice their
    variance. The pairs are taken one after the other.

    Args:
        samples: (N, H, W, C), N >= 2 restorations of one input, clipped by `distance`.
        distance: (image, image) -> scalar, symmetric: `mse` or an `LPIPS`.

    Returns:
        Scalar >= 0.

    Raises:
        InputError: fewer than two images.
    """
    samples = jnp.asarray(samples)
    if samples.ndim != 4 or len(samples) < 2:
        raise InputError(
            f"samples has shape {samples.shape}; expected (N, H, W, C) with N >= 2, "
            "draws for one input; stack them with jnp.stack"
        )
    first, second = np.triu_indices(len(samples), 1)

    def between(pair):
        return distance(samples[pair[0]], samples[pair[1]])

    return jnp.mean(jax.lax.map(between, (jnp.asarray(first), jnp.asarray(second))))
