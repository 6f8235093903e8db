"""Choosing the rate of an autoencoder from the observation alone."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrestore.errors import InputError
from jaxrestore.pytrees import pytree
from jaxrestore.settings import count, number, sequence, setting, static
from jaxrestore.solvers.iterate import iterate
from jaxrestore.solvers.method import Problem, Wrapper
from jaxrestore.solvers.results import Restoration
from jaxrestore.solvers.stopping import Status, Stopping
from jaxrestore.solvers.vble import VBLE


@pytree
@dataclass(frozen=True, eq=False)
class SelectRate(Wrapper):
    """Restores by VBLE at the rate whose evidence bound is the best.

    At weight 1 the objective of `VBLE` is, up to a constant that no rate changes,
    -log p(y) from above; with another weight it is that of a tempered posterior. Every
    candidate is fitted for `trial_steps`; the last quarter of the objective's values
    is averaged, as each is a draw. The best rate is then fitted to the end. A pixel's
    worth of noise left unexplained and a bit spent thus weigh alike: hard problems get
    low rates, easy ones high rates.

    The result's `selected` is the number of the candidate chosen; `rate(result)` is
    its rate.

    Attributes:
        method: a `VBLE` with a prior that was trained for several rates.
        candidates: (K,) rates; None: those that the prior was trained for.
        trial_steps: of each candidate.
    """

    method: Any
    candidates: Any = setting(None, sequence(number(0, 1e3, above=True)), "rates")
    trial_steps: int = static(20, count(4), "of each candidate")

    name: ClassVar = "select_rate"

    def validate(self, observation):
        method = self.method
        if not isinstance(method, VBLE) or not hasattr(method.prior, "at_rate"):
            raise InputError(
                f"method: a {type(method).__name__} of this prior has no rate,"
                " expected VBLE or VBLEXZ with a CAE"
            )
        rates = self._rates()
        for rate in rates:
            method.prior.at_rate(float(rate))
        inner = replace(method, rate=np.float32(rates[0])).validate(observation)
        return replace(self, method=inner, candidates=np.asarray(rates, np.float32))

    def posterior(self, result):
        """As `VBLE.posterior`."""
        return replace(self.method, rate=self.rate(result)).posterior(result)

    def rate(self, result: Restoration) -> jax.Array:
        """The rate that was chosen, ()."""
        return jnp.asarray(self._rates(), jnp.float32)[result.selected]

    def _rates(self) -> Any:
        given = self.candidates
        return self.method.prior.config.rates if given is None else np.asarray(given)

    @property
    def trials(self) -> int:
        """How many steps it takes before those of the run."""
        return len(self._rates()) * (self.trial_steps + 1)

    def settings(self):
        """Those of the method, its rate "auto"."""
        return {**self.method.settings(), "rate": "auto"}

    def solve(self, problem, stopping, history):
        scores, spent = lax.map(lambda r: self._score(problem, r), self.candidates)
        best = jnp.argmin(scores)
        method = replace(self.method, rate=self.candidates[best])
        result = iterate(method, problem, stopping, history)
        return replace(
            result,
            selected=best,
            evaluations=result.evaluations + spent.sum(),
            gradients=result.gradients + spent.sum(),
        )

    def _score(self, problem: Problem, rate: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The bound that a rate reaches, infinite where it diverged, and the passes."""
        method = replace(self.method, rate=rate)
        short = problem._replace(max_steps=self.trial_steps)
        rules = Stopping(tolerance=0.0)
        run = iterate(method, short, rules, True)
        assert run.history is not None
        score = run.history["objective"][-(self.trial_steps // 4) :].mean()
        good = (run.status != Status.DIVERGED) & jnp.isfinite(score)
        return jnp.where(good, score, jnp.inf), run.gradients
