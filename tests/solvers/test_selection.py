"""Choosing the temperature: SURE against its oracle, both criteria in the solver."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Blur, Mask
from jaxrestore.pytrees import pytree
from jaxrestore.solvers import (
    TV,
    Method,
    PnPHVAE,
    Problem,
    Select,
    Stopping,
    restore,
    selection,
)
from jaxrestore.solvers.results import Found
from tests.solvers.problems import KERNEL, gaussian, observations, observe, prior

pytestmark = pytest.mark.slow

SHAPE, SIGMA = (64, 64, 1), 0.1
SHARES = np.array([0.2, 0.5, 0.7, 0.8, 0.9, 1.0], np.float32)
OPERATORS = {
    "blur": Blur(jnp.asarray(KERNEL)),
    "mask": Mask((jax.random.uniform(jax.random.key(0), SHAPE) > 0.4) * 1.0),
}


@pytree
@dataclass(frozen=True, eq=False)
class Shrink(Method):
    """An estimator whose risk is known: x = temperature * A'y, in one step."""

    temperature: Any = 1.0

    name = "shrink"

    def estimate(self, observation):
        return self.temperature * observation.operator.adjoint(observation.y)

    def init(self, problem):
        return self.estimate(problem.observation)

    def step(self, problem, state):
        return state

    def image(self, state):
        return state

    def objective(self, problem, state):
        return jnp.float32(0)

    def found(self, problem, state, steps):
        return Found(state, evaluations=4, temperature=self.temperature)


class Blend(Shrink):
    """Sees all channels, as a colour prior does."""

    def estimate(self, observation):
        grey = observation.y.mean(-1, keepdims=True)
        return self.temperature * jnp.broadcast_to(grey, observation.y.shape)


pytree(Blend)


class Failing(Shrink):
    """Not finite at temperature 1."""

    def estimate(self, observation):
        image = jnp.full(SHAPE, self.temperature)
        return jnp.where(self.temperature == 1, jnp.nan, image)


pytree(Failing)


def scores_of(method, observation, name, key=None):
    """The restoration that is chosen, and all scores."""
    chosen = Select(method, {"temperature": jnp.asarray(SHARES)}, name)
    problem = Problem(observation, observation.initial_image(), 3, key)
    found = chosen.attempts(problem, Stopping())[1][name]
    return restore(chosen, observation, key=key, max_steps=3), found


@pytest.mark.parametrize("name", OPERATORS)
def test_sure_estimates_the_error_that_the_operator_shows(name):
    operator = OPERATORS[name]
    x = jax.random.normal(jax.random.key(1), SHAPE) * 0.3
    scores, errors = [], []
    for seed in range(8):
        noise = SIGMA * jax.random.normal(jax.random.key(seed + 2), SHAPE)
        observation = gaussian(operator(x) + noise, operator, jnp.float32(SIGMA))
        key = jax.random.key(seed + 100)
        best, estimates = scores_of(Shrink(), observation, "sure", key)
        estimators = [Shrink(share).estimate(observation) for share in SHARES]
        wrong = [
            jnp.sum((operator(estimate) - operator(x)) ** 2) / observation.count
            for estimate in estimators
        ]
        scores.append(estimates)
        errors.append(wrong)
        least = np.argmin(estimates)
        np.testing.assert_allclose(best.mean, estimators[least], rtol=1e-5)
        assert float(best.temperature) == SHARES[least]
    np.testing.assert_allclose(np.mean(scores, 0), np.mean(errors, 0), atol=4e-4)


def test_sure_with_one_noise_level_per_value():
    operator = OPERATORS["blur"]
    x = jax.random.normal(jax.random.key(1), SHAPE) * 0.3
    std = SIGMA * jnp.linspace(0.2, 1.8, 64)[:, None, None]
    scores, errors = [], []
    for seed in range(8):
        noise = std * jax.random.normal(jax.random.key(seed + 2), SHAPE)
        observation = gaussian(operator(x) + noise, operator, std)
        key = jax.random.key(seed + 100)
        scores.append(scores_of(Shrink(), observation, "sure", key)[1])
        estimators = [Shrink(share).estimate(observation) for share in SHARES]
        wrong = [jnp.mean((operator(e) - operator(x)) ** 2) for e in estimators]
        errors.append(wrong)
    np.testing.assert_allclose(np.mean(scores, 0), np.mean(errors, 0), atol=5e-4)


def test_discrepancy_wants_residuals_like_the_noise():
    observation = gaussian(jnp.ones(SHAPE), OPERATORS["blur"], jnp.float32(0.3))
    # The residual of share * A'1 is 1 - share everywhere.
    _, scores = scores_of(Shrink(), observation, "discrepancy")
    expected = np.abs((1 - SHARES) ** 2 / 0.3**2 - 1)
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("criterion", ["sure", "discrepancy"])
def test_solver_returns_the_run_of_the_chosen_temperature(criterion):
    p, y = prior(), observations(0, 2)
    method = Select(PnPHVAE(p, decoder_std=0.2), criterion=criterion)
    keys = jax.random.split(jax.random.key(3), 2)

    def solve(one, key):
        return restore(method, observe(one), key=key, max_steps=15)

    batch = jax.jit(jax.vmap(solve))(y, keys)
    for i, one in enumerate(y):
        assert np.float32(batch.temperature[i]) in np.float32(selection.TEMPERATURES)
        chosen = PnPHVAE(p, float(batch.temperature[i]), decoder_std=0.2)
        again = restore(chosen, observe(one), max_steps=15)
        np.testing.assert_allclose(batch.image[i], again.image, atol=1e-5)


def test_held_out_pixels_judge_and_are_then_used():
    """The score is the error at hidden pixels, noise included; all are used then."""
    operator = OPERATORS["mask"]
    x = jnp.ones(SHAPE)
    noise = SIGMA * jax.random.normal(jax.random.key(2), SHAPE)
    observation = gaussian(operator(x + noise), operator, jnp.float32(SIGMA))

    class Fill(Shrink):
        """temperature times the mean of what is seen."""

        def estimate(self, observation):
            seen = observation.operator.mask
            level = jnp.sum(observation.operator.adjoint(observation.y)) / seen.sum()
            return jnp.full(SHAPE, self.temperature * level)

    pytree(Fill)
    best, scores = scores_of(Fill(), observation, "held_out", jax.random.key(3))
    np.testing.assert_allclose(scores, (1 - SHARES) ** 2 + SIGMA**2, atol=5e-3)
    assert int(best.selected) == 5 and best.temperature == 1
    np.testing.assert_allclose(best.mean, Fill(1.0).estimate(observation), rtol=1e-5)
    assert int(best.evaluations) == 4 * 7


def test_another_than_the_preferred_needs_evidence():
    """The preferred candidate's SURE is three deviations of the noise lower."""
    observation = gaussian(jnp.ones(SHAPE), OPERATORS["blur"], jnp.float32(SIGMA))
    key, points = jax.random.key(0), {"temperature": jnp.asarray(SHARES)}
    problem = Problem(observation, observation.initial_image(), 3, key)
    plain, fond = (
        Select(Shrink(), points, preferred=preferred).attempts(problem, Stopping())[1]
        for preferred in (None, 4)
    )
    gap = np.zeros(len(SHARES))
    gap[4] = 3 * SIGMA**2 * np.sqrt(2 / observation.y.size)
    np.testing.assert_allclose(fond["sure"], plain["sure"], atol=1e-7)
    np.testing.assert_allclose(fond["sure"] - fond["doubted"], gap, atol=1e-6)
    np.testing.assert_array_equal(plain["sure"], plain["doubted"])


def test_several_settings_are_chosen_together():
    points = {"decoder_std": (0.1, 0.3), "schedule": ("4:3", "2:3")}
    method = Select(PnPHVAE(prior(), 0.75), points, "discrepancy")
    observation = observe(observations(0, 1)[0])
    found = restore(method, observation, max_steps=15)
    at = int(found.selected)
    chosen = {name: values[at] for name, values in points.items()}
    again = restore(PnPHVAE(prior(), 0.75, **chosen), observation, max_steps=15)
    np.testing.assert_allclose(found.image, again.image, atol=1e-5)


def test_mistakes():
    observation = observe(observations(0, 1)[0])
    with pytest.raises(InputError, match="criterion=best: expected one of sure"):
        restore(Select(PnPHVAE(prior()), criterion="best"), observation)
    with pytest.raises(InputError, match="key: missing, criterion=sure"):
        restore(Select(PnPHVAE(prior())), observation)
    with pytest.raises(InputError, match="tv has no such temperature"):
        restore(Select(TV()), observation)
    with pytest.raises(InputError, match="held_out: a Blur has no pixels"):
        restore(Select(PnPHVAE(prior()), criterion="held_out"), observation)
    for points in (
        {"views": ("none", "flips")},
        {"decoder_std": (None, 0.1)},
        {"a": (1,)},
    ):
        with pytest.raises(InputError, match="candidates: pnp_hvae has no such"):
            restore(Select(PnPHVAE(prior()), points), observation)
    for points in ({"temperature": 0.8}, {"temperature": "0.8"}, {}):
        with pytest.raises(InputError, match="candidates=.*as many for each"):
            restore(Select(PnPHVAE(prior()), points), observation)
    with pytest.raises(InputError, match="preferred=6: expected the number"):
        restore(Select(PnPHVAE(prior()), preferred=6), observation)
    uneven = {"decoder_std": (0.1, 0.3), "schedule": ("4:3", "2:4")}
    with pytest.raises(InputError, match="differ in shape"):
        restore(Select(PnPHVAE(prior()), uneven), observation)
    with pytest.raises(InputError, match="candidates=.*as many for each"):
        restore(Select(PnPHVAE(prior()), {"temperature": ()}), observation)
    with pytest.raises(InputError, match="candidates=|temperature=2.0"):
        restore(Select(PnPHVAE(prior()), {"temperature": (0.5, 2.0)}), observation)


def test_sure_knows_that_grey_images_have_one_noise():
    operator = OPERATORS["blur"]
    x = jax.random.normal(jax.random.key(1), SHAPE) * 0.3
    y = operator(x) + SIGMA * jax.random.normal(jax.random.key(2), SHAPE)

    def scores(measured):
        observation = gaussian(measured, operator, jnp.float32(SIGMA))
        return scores_of(Blend(), observation, "sure", jax.random.key(5))[1]

    np.testing.assert_allclose(scores(jnp.tile(y, 3)), scores(y), atol=2e-3)


def test_diverged_attempts_are_passed_over_and_all_are_counted():
    observation = gaussian(jnp.ones(SHAPE), OPERATORS["blur"], jnp.float32(0.1))
    best, scores = scores_of(Failing(), observation, "discrepancy")
    assert np.isinf(scores[-1]) and float(best.mean[0, 0, 0]) == np.float32(0.9)
    assert int(best.evaluations) == 4 * len(SHARES)
