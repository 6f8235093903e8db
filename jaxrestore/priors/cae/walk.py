"""Latents of an autoregressive density, one position after the other."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrestore.nets.context import SIZE, Context
from jaxrestore.priors.cae.density import Boxed


def walk(
    prior: Any, h: jax.Array, rule: Callable[[Boxed, jax.Array], jax.Array], key: Any
) -> jax.Array:
    """z from p(z | h), row by row where the density has a context, else at once.

    Args:
        prior: a `CAE`.
        h: (rows, columns, N).
        rule: of p(z_i | z_<i, h) and a key: z_i, such as its mean or a draw.
        key: random key.

    Returns:
        z, (4 rows, 4 columns, M).
    """
    seen = prior.run("hyper_synthesis", h)
    if not prior.config.context:
        return rule(prior.boxed(seen), key)
    rows, columns, _ = seen.shape
    latents, margin = prior.config.latents, SIZE // 2
    padded = jnp.zeros((rows + 2 * margin, columns + 2 * margin, latents))
    weights = {"params": prior.params["context"]}

    def place(z, i):
        row, column = i // columns, i % columns
        around = jax.lax.dynamic_slice(z, (row, column, 0), (SIZE, SIZE, latents))
        context: Any = Context(2 * latents).apply(weights, around, method="pixel")
        raw = jnp.concatenate([seen[row, column], context])[None, None]
        boxed = prior.boxed(prior.run("parameters", raw))
        value = rule(boxed, jax.random.fold_in(key, i))
        at = (row + margin, column + margin, 0)
        return jax.lax.dynamic_update_slice(z, value, at), None

    z, _ = jax.lax.scan(place, padded, jnp.arange(rows * columns))
    return z[margin:-margin, margin:-margin]
