"""Choosing the temperature: SURE against its oracle, both criteria in the solver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Blur, Mask
from jaxrestore.solvers import pnp_hvae, selection
from jaxrestore.solvers.driver import Run, Status
from jaxrestore.solvers.restoration import Restoration
from tests.solvers.problems import KERNEL, observations, observe, prior

SHAPE, SIGMA = (64, 64, 1), 0.1
SHARES = np.array([0.2, 0.5, 0.7, 0.8, 0.9, 1.0], np.float32)
OPERATORS = {
    "blur": Blur(jnp.asarray(KERNEL)),
    "mask": Mask((jax.random.uniform(jax.random.key(0), SHAPE) > 0.4) * 1.0),
}


def shrink(observation, share):
    """An estimator whose risk is known: x = share * A'y."""
    image = share * observation.operator.adjoint(observation.y)
    zero = jnp.int32(0)
    return Restoration.of(Run(None, zero, jnp.float32(0), zero, None), image, image)


@pytest.mark.parametrize("name", OPERATORS)
def test_sure_estimates_the_error_that_the_operator_shows(name):
    operator = OPERATORS[name]
    x = jax.random.normal(jax.random.key(1), SHAPE) * 0.3
    scores, errors = [], []
    for seed in range(8):
        noise = SIGMA * jax.random.normal(jax.random.key(seed + 2), SHAPE)
        observation = Observation(operator(x) + noise, operator, jnp.float32(SIGMA))
        best, estimates = selection.select(shrink, observation, SHARES, "sure")
        seen = operator.clean(jnp.ones(SHAPE)).sum()
        wrong = [
            jnp.sum((operator(shrink(observation, s).mean) - operator(x)) ** 2) / seen
            for s in SHARES
        ]
        scores.append(estimates)
        errors.append(wrong)
        np.testing.assert_allclose(
            best.mean, shrink(observation, SHARES[np.argmin(estimates)]).mean, rtol=1e-5
        )
    np.testing.assert_allclose(np.mean(scores, 0), np.mean(errors, 0), atol=4e-4)


def test_discrepancy_wants_residuals_like_the_noise():
    operator = OPERATORS["blur"]
    observation = Observation(jnp.ones(SHAPE), operator, jnp.float32(0.3))
    # The residual of share * A'1 is 1 - share everywhere.
    _, scores = selection.select(shrink, observation, SHARES, "discrepancy")
    expected = np.abs((1 - SHARES) ** 2 / 0.3**2 - 1)
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("word", ["auto", "discrepancy"])
def test_solver_returns_the_run_of_the_chosen_temperature(word):
    p, y = prior(), observations(0, 2)
    settings = {"decoder_std": 0.2, "max_steps": 15}
    solve = jax.jit(
        jax.vmap(lambda one: pnp_hvae(p, observe(one), temperature=word, **settings))
    )
    batch = solve(y)
    for i, one in enumerate(y):
        assert np.float32(batch.temperature[i]) in np.float32(selection.CANDIDATES)
        again = pnp_hvae(
            p, observe(one), temperature=float(batch.temperature[i]), **settings
        )
        np.testing.assert_allclose(batch.image[i], again.image, atol=1e-5)


def test_unknown_word():
    with pytest.raises(InputError, match="temperature is 'best'.*sure"):
        pnp_hvae(prior(), observe(observations(0, 1)[0]), temperature="best")


def test_sure_knows_that_grey_images_have_one_noise():
    operator = OPERATORS["blur"]
    x = jax.random.normal(jax.random.key(1), SHAPE) * 0.3
    y = operator(x) + SIGMA * jax.random.normal(jax.random.key(2), SHAPE)

    def blend(observation, share):  # sees all channels, as a colour prior does
        grey = observation.y.mean(-1, keepdims=True)
        image = share * jnp.broadcast_to(grey, observation.y.shape)
        zero = jnp.int32(0)
        return Restoration.of(Run(None, zero, jnp.float32(0), zero, None), image, image)

    def scores(measured):
        observation = Observation(measured, operator, jnp.float32(SIGMA))
        return selection.select(blend, observation, SHARES, "sure")[1]

    np.testing.assert_allclose(scores(jnp.tile(y, 3)), scores(y), atol=1e-5)


def test_diverged_attempts_are_passed_over_and_all_are_counted():
    observation = Observation(jnp.ones(SHAPE), OPERATORS["blur"], jnp.float32(0.1))

    def solve(observed, share):
        status = jnp.where(share == 1, Status.DIVERGED, Status.CONVERGED)
        run = Run(None, jnp.int32(3), jnp.float32(0), status, None)
        image = jnp.full(SHAPE, share)
        return Restoration.of(run, image, image, evaluations=4)

    best, scores = selection.select(solve, observation, SHARES, "discrepancy")
    assert np.isinf(scores[-1]) and float(best.mean[0, 0, 0]) == np.float32(0.9)
    assert int(best.evaluations) == 4 * len(SHARES)
