"""Adversarial criteria of critics: gaps of means under a penalty on slopes."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Criterion(NamedTuple):
    """Terms of a criterion on a batch; `slopes` is (N,), the others are scalars.

    Attributes:
        loss: what is minimised, -gap + penalty_weight * penalty.
        gap: of the means of degraded and clean points: an estimate of a multiple of
            the Wasserstein distance (`criterion`), or of half its square of order two
            (`transport_criterion`), once the penalty is small.
        penalty: mean square of what is to be zero in between.
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
    slopes = slope(score, _between(clean, degraded, alpha))
    penalty = jnp.mean((slopes - 1) ** 2)
    return Criterion(penalty_weight * penalty - gap, gap, penalty, slopes)


def transport_criterion(
    potential: Callable[[jax.Array, jax.Array], jax.Array],
    clean: jax.Array,
    degraded: jax.Array,
    alpha: jax.Array,
    penalty_weight: float,
) -> Criterion:
    """The same for the 2-Wasserstein distance, whose potential grows quadratically.

    The thesis proposes that distance (3.6) and gives no criterion. This is the dual of
    Benamou and Brenier (2000) with its constraint as a penalty, minimised:

        E r(clean, 0) - E r(degraded, 1) + mu E ( dr/dt + ||grad r||_2^2 / 2 )^2
        at z = alpha * clean + (1 - alpha) * degraded and t = 1 - alpha.

    Where the bracket is zero everywhere the gap is at most W_2^2 / 2; at its largest
    z - grad r(z, 1) is the clean point that the degraded z came from: r(., 1) is half
    a squared distance where (3.7) has the distance itself.

    Args:
        potential: r, (N, ...) and times (N,) -> (N,), each of its own point alone.
        clean, degraded, alpha, penalty_weight: as of `criterion`.
    """
    count = len(clean)
    times = jnp.repeat(jnp.array([0.0, 1.0]), count)
    scores = potential(jnp.concatenate([clean, degraded]), times)
    gap = scores[count:].mean() - scores[:count].mean()
    between = _between(clean, degraded, alpha), jnp.broadcast_to(1 - alpha, count)
    along, ahead = jax.grad(lambda *at: potential(*at).sum(), (0, 1))(*between)
    squares = jnp.sum(along**2, tuple(range(1, along.ndim)))
    penalty = jnp.mean((ahead + squares / 2) ** 2)
    loss = penalty_weight * penalty - gap
    return Criterion(loss, gap, penalty, jnp.sqrt(squares))


def _between(clean: jax.Array, degraded: jax.Array, alpha: jax.Array) -> jax.Array:
    weights = alpha.reshape(alpha.shape + (1,) * (clean.ndim - alpha.ndim))
    return weights * clean + (1 - weights) * degraded


def slope(score: Callable[[jax.Array], jax.Array], points: jax.Array) -> jax.Array:
    """|| grad r(z) ||_2 over all entries of each point z, (N, ...) -> (N,)."""
    gradient = jax.grad(lambda z: score(z).sum())(points)
    squares = jnp.sum(gradient**2, tuple(range(1, points.ndim)))
    # The square root has no derivative at 0, where all units of a critic are dead.
    return jnp.sqrt(jnp.maximum(squares, 1e-24))
