"""The adversarial criterion of critics (WGAN-GP): a gap of means, slopes near one."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Criterion(NamedTuple):
    """Terms of the criterion on a batch; `slopes` is (N,), the others are scalars.

    Attributes:
        loss: what is minimised, -gap + penalty_weight * penalty.
        gap: E r(degraded) - E r(clean), an estimate of a multiple of the Wasserstein
            distance of the two distributions once slopes are at most one.
        penalty: E (slope - 1)^2.
        slopes: || grad r || at the points in between.
    """

    loss: jax.Array
    gap: jax.Array
    penalty: jax.Array
    slopes: jax.Array


def criterion(
    score: Callable[[jax.Array], jax.Array],
    clean: jax.Array,
    degraded: jax.Array,
    alpha: jax.Array,
    penalty_weight: float,
) -> Criterion:
    """Minus the criterion D of the thesis, eq. (3.7), to be minimised.

        -D = E r(clean) - E r(degraded) + mu E ( ||grad r(z)||_2 - 1 )^2,
        z = alpha * clean + (1 - alpha) * degraded

    so that r grows from clean to degraded. (The text says that D is minimised; its
    signs mean that it is maximised.) Nothing pairs the two batches.

    Args:
        score: r, (N, ...) -> (N,), each score a function of its own point alone.
        clean: points (N, ...).
        degraded: points of the same shape.
        alpha: in [0, 1]; () for one number a batch (Algorithm 1 as printed), (N,) for
            one a point (WGAN-GP).
        penalty_weight: mu > 0; 5 in the thesis.
    """
    count = len(clean)
    scores = score(jnp.concatenate([clean, degraded]))
    gap = scores[count:].mean() - scores[:count].mean()
    weights = alpha.reshape(alpha.shape + (1,) * (clean.ndim - alpha.ndim))
    slopes = slope(score, weights * clean + (1 - weights) * degraded)
    penalty = jnp.mean((slopes - 1) ** 2)
    return Criterion(penalty_weight * penalty - gap, gap, penalty, slopes)


def slope(score: Callable[[jax.Array], jax.Array], points: jax.Array) -> jax.Array:
    """|| grad r(z) ||_2 over all entries of each point z, (N, ...) -> (N,)."""
    gradient = jax.grad(lambda z: score(z).sum())(points)
    squares = jnp.sum(gradient**2, tuple(range(1, points.ndim)))
    # The square root has no derivative at 0, where all units of a critic are dead.
    return jnp.sqrt(jnp.maximum(squares, 1e-24))
