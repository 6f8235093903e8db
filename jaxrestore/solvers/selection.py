"""Choosing the temperature from the observation alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.solvers.driver import Status
from jaxrestore.solvers.restoration import Restoration

CRITERIA = ("sure", "discrepancy")
CANDIDATES = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

_PROBE = 0.1  # size of SURE's perturbation over the noise level

Solve = Callable[[Observation, jax.Array], Restoration]


def criterion(word: str) -> str:
    """The criterion that a word for the temperature stands for; "auto" is "sure".

    Raises:
        InputError: neither "auto" nor one of `CRITERIA`.
    """
    if word not in ("auto", *CRITERIA):
        raise InputError(
            f"temperature is {word!r}; expected numbers in (0, 1], or one of auto,"
            f" {', '.join(CRITERIA)}"
        )
    return CRITERIA[0] if word == "auto" else word


def select(
    solve: Solve, observation: Observation, candidates: Any, name: str
) -> tuple[Restoration, jax.Array]:
    """Restore at every candidate, return the best by a criterion, and all scores.

    With mu the restoration's `mean`, m observed values and s the noise level, the
    criterion is the least of

        discrepancy   | ||A mu - y||^2 / (m s^2) - 1 |
        sure          ||A mu - y||^2 / m - s^2 + 2 s^2 div / m

    The first wants the residual to be as large as the noise (Morozov). The second is
    Stein's unbiased estimate of ||A mu - A x||^2 / m, the error as A shows it, with
    the divergence of y -> A mu(y) from one random direction b of signs,
    div = b'(A mu(y + e b) - A mu(y)) / e with e = s / 10 (Ramani et al. 2008); it
    restores twice. Neither sees errors in the null space of A.

    Args:
        solve: (observation, temperature) -> restoration.
        observation: y, the operator and the noise level.
        candidates: (K,) temperatures.
        name: one of `CRITERIA`.

    Returns:
        The restoration with the least score, its `evaluations` those of all attempts,
        and the (K,) scores; infinite where a run diverged.
    """
    results, found = attempts(solve, observation, candidates, (name,))
    scores = found[name]
    best = jnp.argmin(scores)
    chosen = jax.tree.map(lambda leaf: leaf[best], results)
    return replace(chosen, evaluations=results.evaluations.sum()), scores


def attempts(
    solve: Solve,
    observation: Observation,
    candidates: Any,
    names: tuple[str, ...] = CRITERIA,
) -> tuple[Restoration, dict[str, jax.Array]]:
    """Restore at every candidate, and score by the criteria of `select`.

    Args:
        solve: (observation, temperature) -> restoration.
        observation: y, the operator and the noise level.
        candidates: (K,) temperatures.
        names: which of `CRITERIA`.

    Returns:
        The restorations, stacked along a leading axis, and (K,) scores by name.
    """
    level = jnp.asarray(observation.noise_std)
    signs = _signs(observation.y).astype(level.dtype)
    moved = replace(observation, y=observation.y + _PROBE * level * signs)
    observed = observation.operator.clean(jnp.ones_like(observation.y)).sum()

    def shown(result: Restoration) -> jax.Array:
        return observation.operator(result.mean)

    def attempt(tau: jax.Array) -> tuple[Restoration, dict[str, jax.Array]]:
        result, scores = solve(observation, tau), {}
        misfit = jnp.sum(jnp.square(observation.residual(result.mean))) / observed
        if "discrepancy" in names:
            scores["discrepancy"] = jnp.abs(misfit / level**2 - 1)
        good = result.status != Status.DIVERGED
        if "sure" in names:
            other = solve(moved, tau)
            change = shown(other) - shown(result)
            slope = jnp.sum(signs * change) / (observed * _PROBE * level)
            scores["sure"] = misfit - level**2 + 2 * level**2 * slope
            good &= other.status != Status.DIVERGED
            spent = result.evaluations + other.evaluations
            result = replace(result, evaluations=spent)
        return result, jax.tree.map(
            lambda s: jnp.where(good & jnp.isfinite(s), s, jnp.inf), scores
        )

    return lax.map(attempt, jnp.asarray(candidates, level.dtype))


def _signs(y: jax.Array) -> jax.Array:
    """Random signs like the noise of y: the same in all channels where y is grey."""
    key = jax.random.key(0)
    signs = jax.random.rademacher(key, y.shape)
    if y.ndim < 3:
        return signs
    grey = jnp.all((y == y[..., :1]) | jnp.isnan(y))
    return jnp.where(grey, jax.random.rademacher(key, (*y.shape[:-1], 1)), signs)
