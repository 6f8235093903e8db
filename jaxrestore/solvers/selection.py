"""Choosing settings from the observation alone."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Mask
from jaxrestore.pytrees import pytree
from jaxrestore.settings import choice, count, setting, settings_of, static
from jaxrestore.solvers.checks import check_kind
from jaxrestore.solvers.iterate import iterate
from jaxrestore.solvers.method import Method, Problem, Wrapper
from jaxrestore.solvers.results import Restoration
from jaxrestore.solvers.stopping import Status, Stopping

CRITERIA = ("sure", "discrepancy", "held_out")
TEMPERATURES = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

_PROBE = 0.1  # size of SURE's perturbation over the noise level
_DOUBT = 3  # standard deviations
_HIDDEN = 0.1  # share of the pixels that are held out
_PASSES = "evaluations", "gradients"


def candidates(value: Any, name: str) -> dict[str, Any]:
    """Setting -> one value for each candidate; the check of `Select.candidates`."""
    if value is None:
        return {"temperature": TEMPERATURES}
    lengths = {
        len(v) if hasattr(v, "__len__") and not isinstance(v, str) else 0
        for v in (value.values() if isinstance(value, Mapping) else ())
    }
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(
            f"{name}={value}: expected a mapping from settings to values, as many for"
            " each, such as {'temperature': (0.6, 0.8, 0.95)}"
        )
    return dict(value)


@pytree
@dataclass(frozen=True, eq=False)
class Select(Wrapper):
    """Restores with every candidate of some settings and returns the best.

    With mu the restoration's `mean`, m observed values and s the noise level, the
    criterion is the least of

        sure          ||A mu - y||^2 / m - s^2 + 2 s^2 div / m
        discrepancy   | ||A mu - y||^2 / (m s^2) - 1 |
        held_out      ||M (mu - y)||^2 / |M|

    The first is Stein's unbiased estimate of ||A mu - A x||^2 / m, the error as A shows
    it, with the divergence of y -> A mu(y) from one random direction b of signs,
    div = b'(A mu(y + e b) - A mu(y)) / e with e = s / 10 (Ramani et al. 2008); it
    restores twice. The second wants the residual to be as large as the noise (Morozov).
    Neither sees errors in the null space of A. The third, for masks, hides a tenth M of
    the pixels that were seen, and restores with all of them in the end. The first and
    the last draw and need the key. With one noise level per value, s^2 stands inside
    the sums.

    With `preferred` SURE (and it alone) must speak for another candidate by three
    standard deviations of the noise in it, 3 s^2 sqrt(2 / m).

    The result's `selected` is the chosen candidate's number; `evaluations` and
    `gradients` are those of all attempts.

    Attributes:
        method: what restores, such as `PnPHVAE(prior)`.
        candidates: setting of the method -> (K, ...) values, K the same for all; None:
            temperatures.
        criterion: one of `CRITERIA`.
        preferred: None, or the number of the candidate to doubt least.
    """

    method: Any
    candidates: Any = setting(None, candidates)
    criterion: str = static("sure", choice(*CRITERIA))
    preferred: int | None = static(None, count(0, none=True))

    name: ClassVar = "select"

    def validate(self, observation):
        check_kind(self.method, Method, "iterates", "sample")
        own = settings_of(self)
        rules = {
            f.name: f.metadata["check"](getattr(self, f.name), f.name) for f in own
        }
        given = replace(self, **rules)
        given._check_criterion(observation)
        given._check_candidates()
        attempts = [given.attempt(i).validate(observation) for i in range(given.count)]
        try:
            stacks = {
                name: np.stack([getattr(a, name) for a in attempts])
                if not isinstance(values, jax.Array)
                else values
                for name, values in given.candidates.items()
            }
        except ValueError as error:
            raise InputError(
                "candidates: values of one setting differ in shape; expected equal ones"
            ) from error
        return replace(given, method=attempts[0], candidates=stacks)

    def _check_criterion(self, observation: Observation) -> None:
        if not isinstance(observation.noise, GaussianNoise):
            raise InputError(
                f"noise: a {type(observation.noise).__name__}, expected GaussianNoise:"
                " the criteria are made for it; give the settings"
            )
        if self.criterion == "held_out" and not isinstance(observation.operator, Mask):
            raise InputError(
                f"criterion=held_out: a {type(observation.operator).__name__} has no"
                " pixels to hide, expected a Mask; take sure"
            )

    def _check_candidates(self) -> None:
        fixed = {f.name for f in settings_of(self.method) if f.metadata.get("static")}
        own = {f.name for f in fields(self.method)}  # type: ignore[arg-type]
        own -= fixed | set(self.method.models)
        for name, values in self.candidates.items():
            traced = isinstance(values, jax.Array)
            if name not in own or not traced and any(v is None for v in values):
                raise InputError(
                    f"candidates: {self.method.name} has no such {name} to choose,"
                    f" expected values of {', '.join(sorted(own)) or 'nothing'}"
                )
        if self.preferred is not None and self.preferred >= self.count:
            raise InputError(
                f"preferred={self.preferred}: expected the number of one of"
                f" {self.count} candidates, from 0"
            )

    @property
    def count(self) -> int:
        """How many candidates there are."""
        values = candidates(self.candidates, "candidates")
        return len(next(iter(values.values())))

    @property
    def runs(self) -> int:
        """How many runs of the method it takes."""
        others = {"sure": 2 * self.count, "held_out": self.count + 1}
        return others.get(self.criterion, self.count)

    def attempt(self, index: Any) -> Method:
        """The method with one candidate's settings, after `validate`."""
        return replace(
            self.method, **{name: v[index] for name, v in self.candidates.items()}
        )

    def posterior(self, result: Restoration) -> Any:
        """What the chosen attempt fitted, of methods that do; see `VBLE.posterior`."""
        return self.attempt(result.selected).posterior(result)  # type: ignore

    def solve(self, problem, stopping, history):
        results, scores = self.attempts(problem, stopping, history)
        name = "doubted" if self.criterion == "sure" else self.criterion
        best = jnp.argmin(scores[name])
        passes = {name: getattr(results, name).sum() for name in _PASSES}
        if self.criterion == "held_out":
            chosen = iterate(self.attempt(best), problem, stopping, history)
            passes = {name: n + getattr(chosen, name) for name, n in passes.items()}
        else:
            chosen = jax.tree.map(lambda leaf: leaf[best], results)
        return replace(chosen, **passes, selected=best)

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
            Restorations and scores, infinite where a run diverged; beside "sure"
            "doubted", what is compared: lower by the doubt for the preferred one.
        """
        names = (self.criterion,) if criteria is None else criteria
        if names == ("held_out",):
            return self._held_out(problem, stopping, history)
        observation = problem.observation
        level = jnp.asarray(observation.noise.std, observation.y.dtype)  # type: ignore
        observed = observation.count
        spread = jnp.broadcast_to(level**2, observation.y.shape)
        variance = observation.operator.clean(spread).sum() / observed
        if "sure" in names:
            signs = _signs(self._key(problem), observation.y)
            y = observation.y + _PROBE * level * signs
            moved = problem._replace(observation=replace(observation, y=y))

        def shown(result: Restoration) -> jax.Array:
            return observation.operator(result.mean)

        def tried(index: jax.Array) -> tuple[Restoration, dict[str, jax.Array]]:
            method = self.attempt(index)
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
                doubt = _DOUBT * variance * jnp.sqrt(2 / observed)
                own = -1 if self.preferred is None else self.preferred
                scores["sure"] = misfit - variance + 2 * slope
                scores["doubted"] = scores["sure"] - jnp.where(index == own, doubt, 0)
                good &= other.status != Status.DIVERGED
                spent = {n: getattr(result, n) + getattr(other, n) for n in _PASSES}
                result = replace(result, **spent)
            return result, _finite_or_worst(scores, good)

        return lax.map(tried, self._indices())

    def _key(self, problem: Problem) -> jax.Array:
        if problem.key is None:
            raise InputError(
                f"key: missing, criterion={self.criterion} needs a random key"
            )
        return problem.key

    def _indices(self) -> jax.Array:
        return jnp.arange(self.count)

    def _held_out(self, problem: Problem, stopping: Stopping, history: bool):
        """`attempts` without some of the pixels, scored by them."""
        observation = problem.observation
        mask = observation.operator.mask  # type: ignore[attr-defined]
        hidden = jax.random.bernoulli(self._key(problem), _HIDDEN, mask.shape) & (
            mask > 0
        )
        rest = Mask(jnp.where(hidden, 0, mask))
        y = jnp.where(hidden, 0, observation.y)
        thinned = replace(observation, y=y, operator=rest)
        part = problem._replace(observation=thinned, start=thinned.initial_image())
        where = jnp.broadcast_to(hidden, observation.y.shape)

        def tried(index: jax.Array) -> tuple[Restoration, dict[str, jax.Array]]:
            result = iterate(self.attempt(index), part, stopping, history)
            wrong = jnp.where(where, result.mean - observation.y, 0)
            score = jnp.sum(jnp.square(wrong)) / jnp.maximum(where.sum(), 1)
            good = result.status != Status.DIVERGED
            return result, _finite_or_worst({"held_out": score}, good)

        return lax.map(tried, self._indices())


def _finite_or_worst(scores: dict[str, jax.Array], good: jax.Array):
    """The scores, infinite where they say nothing."""
    return jax.tree.map(lambda s: jnp.where(good & jnp.isfinite(s), s, jnp.inf), scores)


def _signs(key: jax.Array, y: jax.Array) -> jax.Array:
    """Random signs like the noise of y: the same in all channels where y is grey."""
    signs = jax.random.rademacher(key, y.shape, y.dtype)
    if y.ndim < 3:
        return signs
    grey = jnp.all((y == y[..., :1]) | jnp.isnan(y))
    return jnp.where(grey, jnp.broadcast_to(signs[..., :1], y.shape), signs)
