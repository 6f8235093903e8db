"""The driver's rules on iterations that can be followed by hand."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.operators import Identity
from jaxrestore.pytrees import pytree
from jaxrestore.solvers import Method, Status, Stopping, restore, status_name
from tests.solvers.problems import gaussian


@pytree
@dataclass(frozen=True, eq=False)
class Scaling(Method):
    """x <- factor * x + offset, from `first` everywhere, (2, 2, 1)."""

    factor: Any
    offset: Any = 0.0
    first: Any = 1.0

    name = "scaling"

    def init(self, problem):
        return {"x": jnp.full((2, 2, 1), self.first, jnp.float32)}

    def step(self, problem, state):
        return {"x": self.factor * state["x"] + self.offset}

    def image(self, state):
        return state["x"]

    def objective(self, problem, state):
        return jnp.sum(state["x"] ** 2)


def go(method, max_steps=20, history=True, **rules):
    stopping = Stopping(**{"tolerance": 0.0, **rules})
    observation = gaussian(jnp.ones((2, 2, 1)), Identity(), 0.1)
    return restore(
        method, observation, stopping=stopping, max_steps=max_steps, history=history
    )


def test_converges_when_the_relative_change_is_small_enough():
    # x_k = 1 + 2^-k: relative change 2^-k / (1 + 2^-(k-1)), below 0.02 at k = 6.
    result = go(Scaling(0.5, 0.5, 2.0), tolerance=0.02)
    assert result.status == Status.CONVERGED
    assert status_name(result.status) == "converged"
    assert result.steps == 6
    np.testing.assert_allclose(result.residual, 2**-6 / (1 + 2**-5), rtol=1e-6)


def test_history_holds_the_values_and_then_nan():
    result = go(Scaling(0.5, 0.5, 2.0), tolerance=0.02)
    assert result.history is not None
    k = np.arange(1, 7)
    x = 1 + 0.5**k
    np.testing.assert_allclose(
        result.history["residual"][:6], 0.5**k / (1 + 0.5 ** (k - 1)), rtol=1e-6
    )
    np.testing.assert_allclose(result.history["objective"][:6], 4 * x**2, rtol=1e-6)
    np.testing.assert_allclose(result.history["contraction"][1:6], 0.5, rtol=1e-5)
    assert np.isnan(result.history["contraction"][0])
    for values in result.history.values():
        assert values.shape == (20,)
        assert np.isnan(values[6:]).all()


def test_a_fixed_start_converges_even_with_tolerance_zero():
    result = go(Scaling(1.0))
    assert (int(result.status), int(result.steps)) == (Status.CONVERGED, 1)
    zero = go(Scaling(1.0, 0.0, 0.0))
    assert (int(zero.status), float(zero.residual)) == (Status.CONVERGED, 0.0)


def test_cap():
    result = go(Scaling(0.9), history=False)
    assert (int(result.status), int(result.steps)) == (Status.MAX_STEPS, 20)
    assert result.history is None
    np.testing.assert_allclose(result.image, 0.9**20, rtol=1e-5)


def test_plateau_follows_the_published_rule():
    # Squared changes grow: the first is the best, then nothing improves.
    result = go(Scaling(1.01), patience=4, growth=99)
    assert (int(result.status), int(result.steps)) == (Status.PLATEAU, 6)
    # They shrink by 0.9^2 a step: an improvement at 1e-3, none at 0.5 ...
    assert go(Scaling(0.9), patience=4).status == Status.MAX_STEPS
    assert go(Scaling(0.9), patience=0, improvement=0.5).status == Status.PLATEAU
    # ... where every fourth step is one against the best so far: patience 3 lasts.
    assert go(Scaling(0.9), patience=3, improvement=0.5).status == Status.MAX_STEPS


def test_growth_is_divergence():
    # |x| doubles: each step changes the image more than any before.
    result = go(Scaling(2.0), max_steps=50)
    assert (int(result.status), int(result.steps)) == (Status.DIVERGED, 11)
    assert float(result.image[0, 0, 0]) == 2.0**11
    assert go(Scaling(-1.5), max_steps=50).status == Status.DIVERGED
    assert go(Scaling(2.0), max_steps=50, growth=30).steps == 31
    # What falls, stays or grows for a few steps alone does not diverge.
    assert go(Scaling(0.9), max_steps=50).status == Status.MAX_STEPS
    assert go(Scaling(-1.0), max_steps=50).status == Status.MAX_STEPS
    assert go(Scaling(2.0), max_steps=8).status == Status.MAX_STEPS


def test_growth_of_the_objective_where_the_method_descends():
    @pytree
    @dataclass(frozen=True, eq=False)
    class Descent(Scaling):
        descends = True

    # The changes shrink, the objective rises to its limit for ever.
    rising = Descent(0.99, 1.0, 1.0)
    assert go(rising, max_steps=50).status == Status.DIVERGED
    assert go(Scaling(0.99, 1.0, 1.0), max_steps=50).status == Status.MAX_STEPS
    # The changes grow, the objective falls: a descent that gains speed.
    assert go(Descent(1.5, -1.0, 1.9), max_steps=12).status == Status.MAX_STEPS


def test_a_method_that_can_go_no_further_has_stalled():
    @pytree
    @dataclass(frozen=True, eq=False)
    class Stuck(Scaling):
        def stalled(self, problem, state):
            return jnp.all(state["x"] < 0.3)

    assert go(Stuck(0.5), max_steps=50).status == Status.STALLED
    assert status_name(go(Stuck(0.5), max_steps=50).status) == "stalled"


def test_a_healthy_run_makes_no_nan():
    with jax.debug_nans(True):
        result = go(Scaling(0.5, 0.5, 2.0), history=False, tolerance=0.02)
    assert result.status == Status.CONVERGED


def test_plateau_of_the_objective():
    result = go(Scaling(-1.0), watch="objective", patience=2)
    assert (int(result.status), int(result.steps)) == (Status.PLATEAU, 4)


@pytest.mark.parametrize("factor", [1e8, -1e12, jnp.nan, jnp.inf])
def test_divergence_keeps_the_last_finite_state(factor):
    result = go(Scaling(factor))
    assert result.status == Status.DIVERGED
    assert np.isfinite(result.image).all()
    taken = int(result.steps)
    assert np.isnan(result.history["residual"][taken:]).all()
    if not np.isfinite(factor):
        assert taken == 0
        np.testing.assert_array_equal(result.image, 1.0)


def test_a_start_that_is_not_finite_diverges_without_a_step():
    result = go(Scaling(0.5, first=jnp.nan))
    assert (int(result.status), int(result.steps)) == (Status.DIVERGED, 0)


def test_every_element_of_a_batch_stops_alone():
    factors = jnp.array([0.1, 0.5, 0.99, jnp.nan, 1e20])

    def one(factor):
        return go(Scaling(factor, 1.0), tolerance=1e-3, max_steps=30)

    together = jax.vmap(one)(factors)
    for i, factor in enumerate(factors):
        alone = one(factor)
        jax.tree.map(
            lambda a, b, i=i: np.testing.assert_allclose(a[i], b, 1e-5), together, alone
        )
    assert list(together.status) == [1, 1, 2, 4, 4]
    assert together.steps[0] < together.steps[1] < together.steps[2]


def test_progress_is_told_of_every_piece_and_changes_nothing():
    told = []
    method, observation = (
        Scaling(0.9, 0.1, 2.0),
        gaussian(jnp.ones((2, 2, 1)), Identity(), 0.1),
    )
    arguments = {"max_steps": 30, "history": True, "stopping": Stopping(1e-3)}
    watched = restore(
        method, observation, progress=lambda *a: told.append(a), **arguments
    )
    plain = restore(method, observation, **arguments)
    steps = [done for done, _ in told]
    assert steps == sorted(steps) and steps[0] == 1 and steps[-1] == plain.steps
    assert told[-1][1] == pytest.approx(float(plain.residual))
    for a, b in zip(jax.tree.leaves(watched), jax.tree.leaves(plain), strict=True):
        np.testing.assert_array_equal(a, b)
