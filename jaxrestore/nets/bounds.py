"""A lower bound whose gradient lets values come back."""

import jax
import jax.numpy as jnp


@jax.custom_vjp
def lower_bound(x: jax.Array, bound: jax.Array | float) -> jax.Array:
    """max(x, bound), of any shape, in x's units.

    Where x is below, the gradient passes only if descending along it raises x (it is
    negative), so that a value under its bound is not stuck there (Balle et al. 2018).
    """
    return jnp.maximum(x, bound)


def _forward(x, bound):
    return lower_bound(x, bound), (x >= bound, bound)


def _backward(saved, cotangent):
    above, bound = saved
    passed = jnp.where(above | (cotangent < 0), cotangent, 0)
    return passed, jax.tree.map(jnp.zeros_like, bound)


lower_bound.defvjp(_forward, _backward)


def upper_bound(x: jax.Array, bound: jax.Array | float) -> jax.Array:
    """min(x, bound), with the mirrored rule of `lower_bound`."""
    return -lower_bound(-x, -bound)
