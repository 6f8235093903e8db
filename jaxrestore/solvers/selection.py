"""Choosing the temperature from the observation alone."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import GaussianNoise
from jaxrestore.settings import choice, number, sequence, setting, static
from jaxrestore.solvers.checks import check_kind
from jaxrestore.solvers.iterate import iterate
from jaxrestore.solvers.method import Method, Problem
from jaxrestore.solvers.results import Restoration
from jaxrestore.solvers.stopping import Status, Stopping

CRITERIA = ("sure", "discrepancy")
CANDIDATES = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

_PROBE = 0.1  # size of SURE's perturbation over the noise level


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class SelectTemperature(Method):
    """Restores at every candidate temperature and returns the best by a criterion.

    With mu the restoration's `mean`, m observed values and s the noise level, the
    criterion is the least of

        discrepancy   | ||A mu - y||^2 / (m s^2) - 1 |
        sure          ||A mu - y||^2 / m - s^2 + 2 s^2 div / m

    The first wants the residual to be as large as the noise (Morozov). The second is
    Stein's unbiased estimate of ||A mu - A x||^2 / m, the error as A shows it, with
    the divergence of y -> A mu(y) from one random direction b of signs,
    div = b'(A mu(y + e b) - A mu(y)) / e with e = s / 10 (Ramani et al. 2008); it
    restores twice and needs the key. Neither sees errors in the null space of A. With
    one noise level per value, s^2 stands inside the sums.

    The result's `temperature` is the one chosen; `evaluations` are those of all
    attempts.

    Attributes:
        method: a method with a temperature, such as `PnPHVAE(prior)`.
        candidates: (K,) temperatures.
        criterion: one of `CRITERIA`.
    """

    method: Any
    candidates: Any = setting(CANDIDATES, sequence(number(0, 1, above=True)))
    criterion: str = static("sure", choice(*CRITERIA))

    name: ClassVar = "select_temperature"

    @property
    def max_steps(self) -> int:  # type: ignore[override]
        """Those of the method."""
        return self.method.max_steps

    @property
    def stopping(self) -> Stopping:  # type: ignore[override]
        """Those of the method."""
        return self.method.stopping

    def validate(self, observation):
        chosen = super().validate(observation)
        check_kind(self.method, Method, "iterates", "sample")
        if not isinstance(observation.noise, GaussianNoise):
            raise InputError(
                f"noise: a {type(observation.noise).__name__}, expected GaussianNoise:"
                " both criteria are made for it; give a temperature"
            )
        if not hasattr(self.method, "temperature"):
            raise InputError(
                f"method: {self.method.name} has no temperature to choose, expected one"
                " such as PnPHVAE"
            )
        tau = np.float32(1)  # of the structure that every candidate takes
        inner = replace(self.method, temperature=tau).validate(observation)
        return replace(chosen, method=inner)

    def solve(self, problem, stopping, history):
        results, scores = self.attempts(problem, stopping, history)
        best = jnp.argmin(scores[self.criterion])
        chosen = jax.tree.map(lambda leaf: leaf[best], results)
        return replace(chosen, evaluations=results.evaluations.sum())

    def attempts(
        self,
        problem: Problem,
        stopping: Stopping,
        history: bool = False,
        criteria: tuple[str, ...] | None = None,
    ) -> tuple[Restoration, dict[str, jax.Array]]:
        """The restorations, stacked along a leading axis, and (K,) scores by name.

        Args:
            problem: as for `solve`; SURE needs its key.
            stopping: of every run.
            history: of every run.
            criteria: which scores; None: that of the method.

        Returns:
            Restorations and scores, infinite where a run diverged.
        """
        names = (self.criterion,) if criteria is None else criteria
        observation = problem.observation
        level = jnp.asarray(observation.noise.std, observation.y.dtype)  # type: ignore
        observed = observation.count
        spread = jnp.broadcast_to(level**2, observation.y.shape)
        variance = observation.operator.clean(spread).sum() / observed
        if "sure" in names:
            if problem.key is None:
                raise InputError("key: missing, criterion=sure needs a random key")
            signs = _signs(problem.key, observation.y)
            y = observation.y + _PROBE * level * signs
            moved = problem._replace(observation=replace(observation, y=y))

        def shown(result: Restoration) -> jax.Array:
            return observation.operator(result.mean)

        def attempt(tau: jax.Array) -> tuple[Restoration, dict[str, jax.Array]]:
            method = replace(self.method, temperature=tau)
            result, scores = iterate(method, problem, stopping, history), {}
            residual = observation.residual(result.mean)
            good = result.status != Status.DIVERGED
            if "discrepancy" in names:
                ratio = jnp.sum(jnp.square(residual / level)) / observed
                scores["discrepancy"] = jnp.abs(ratio - 1)
            if "sure" in names:
                other = iterate(method, moved, stopping, False)
                change = level * signs * (shown(other) - shown(result))
                slope = jnp.sum(change) / (_PROBE * observed)
                misfit = jnp.sum(jnp.square(residual)) / observed
                scores["sure"] = misfit - variance + 2 * slope
                good &= other.status != Status.DIVERGED
                spent = result.evaluations + other.evaluations
                result = replace(result, evaluations=spent)
            return result, jax.tree.map(
                lambda s: jnp.where(good & jnp.isfinite(s), s, jnp.inf), scores
            )

        return lax.map(attempt, self.candidates)


def _signs(key: jax.Array, y: jax.Array) -> jax.Array:
    """Random signs like the noise of y: the same in all channels where y is grey."""
    signs = jax.random.rademacher(key, y.shape, y.dtype)
    if y.ndim < 3:
        return signs
    grey = jnp.all((y == y[..., :1]) | jnp.isnan(y))
    return jnp.where(grey, jnp.broadcast_to(signs[..., :1], y.shape), signs)
