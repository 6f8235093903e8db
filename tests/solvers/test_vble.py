"""VBLE where the best q is known in closed form, and its choice of a rate."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Identity, Mask
from jaxrestore.priors import CAE, CAEConfig
from jaxrestore.solvers import VBLE, VBLEXZ, SelectRate, Status, restore, sample
from jaxrestore.solvers.method import Problem
from jaxrestore.solvers.vble_point import Noise
from tests.oracles.linear_decoder import LinearDecoder
from tests.priors.random_weights import random_prior
from tests.solvers.problems import gaussian

SHAPE, DIMENSION, NOISE = (4, 3, 1), 3, 0.05
SIZE = 12
KEY = jax.random.key(3)
SEEN = jnp.asarray(np.arange(SIZE).reshape(SHAPE) % 3 > 0, jnp.float32)


def decoder():
    return LinearDecoder.random(KEY, SHAPE, DIMENSION)


def observation():
    z = jnp.array([0.5, -1.0, 0.8])
    clean = decoder().at((z,), SHAPE[:2]).mean
    y = clean + NOISE * jax.random.normal(jax.random.key(4), SHAPE)
    return gaussian(y * SEEN, Mask(SEEN), jnp.float32(NOISE))


def cubature(dimension, variance=1.0):
    """Points whose mean of any quadratic function is the exact one."""
    points = np.sqrt(dimension * variance) * np.eye(dimension, dtype=np.float32)
    return jnp.concatenate([points, -points])


def fitted(method, noise, steps=800):
    seen = observation()
    problem = Problem(seen, seen.initial_image(), steps, KEY)

    @jax.jit
    def run(method):
        def step(state, _):
            return method.update(problem, state, noise), None

        return jax.lax.scan(step, method.init(problem), None, steps)[0]

    return run(method.validate(seen))


def precision():
    """Of p(z | y) and its mean, by the closed form."""
    weights = np.asarray(decoder().weights, np.float64)
    rows = weights[np.asarray(SEEN, bool).ravel()]
    inverse = rows.T @ rows / NOISE**2 + np.eye(DIMENSION)
    y = np.asarray(observation().y, np.float64)[np.asarray(SEEN, bool)] - 0.5
    return inverse, np.linalg.solve(inverse, rows.T @ y / NOISE**2)


@pytest.mark.slow
@pytest.mark.parametrize("family, share", [("gaussian", 1.0), ("uniform", 12.0)])
def test_the_best_widths_are_those_of_the_precision(family, share):
    method = VBLE(decoder(), family=family, learning_rate=0.02)
    state = fitted(method, Noise((cubature(DIMENSION, 1 / share),)))
    inverse, mean = precision()
    np.testing.assert_allclose(state.point.mean[0], mean, atol=2e-3)
    widths = np.exp(state.point.log_width[0])
    np.testing.assert_allclose(widths**2, share / np.diag(inverse), rtol=0.01)


@pytest.mark.slow
def test_a_point_is_the_maximum_of_the_posterior():
    method = VBLE(decoder(), family="dirac", learning_rate=0.02)
    result = restore(method, observation(), key=KEY, max_steps=800)
    np.testing.assert_allclose(result.latents[0], precision()[1], atol=2e-3)
    assert result.status in (Status.MAX_STEPS, Status.CONVERGED)


def test_the_best_share_is_the_variance_given_z():
    whole = cubature(DIMENSION + SIZE)
    noise = Noise((whole[:, :DIMENSION],), whole[:, DIMENSION:].reshape(-1, *SHAPE))
    state = fitted(VBLEXZ(decoder(), learning_rate=0.02), noise)
    expected = 1 / (1 + SEEN * 0.1**2 / NOISE**2)
    np.testing.assert_allclose(jnp.exp(2 * state.point.log_share), expected, rtol=0.02)
    inverse, mean = precision()
    np.testing.assert_allclose(state.point.mean[0], mean, atol=2e-3)
    widths = np.exp(state.point.log_width[0])
    np.testing.assert_allclose(widths**2, 1 / np.diag(inverse), rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [VBLE, VBLEXZ])
def test_draws_are_those_of_q(kind):
    method = kind(decoder(), learning_rate=0.05)
    result = restore(method, observation(), key=KEY, max_steps=200)
    posterior = method.posterior(result)
    draws = sample(
        posterior, observation(), key=KEY, n_samples=4000, keep=False, chains=8
    )
    widths, share = result.spread
    spread = np.square(decoder().weights) @ np.square(widths[0])
    if share is not None:
        spread = spread + np.square(share * 0.1).ravel()
    np.testing.assert_allclose(draws.mean, result.image, atol=0.01)
    np.testing.assert_allclose(draws.std.ravel(), np.sqrt(spread), rtol=0.06)
    errors = sample(
        posterior.about(draws.mean),
        observation(),
        key=KEY,
        n_samples=1000,
        keep=False,
        quantiles=(0.9,),
    )
    expected = 1.645 * np.sqrt(spread).reshape(SHAPE)
    np.testing.assert_allclose(errors.quantiles[0], expected, rtol=0.1)


def small_cae():
    return random_prior(CAE, CAEConfig("mean", 4, 4, 1, rates=(0.01, 0.1)))


@pytest.mark.slow
def test_the_rate_with_the_best_bound_is_taken():
    seen, inner = observation(), VBLE(small_cae())
    chosen = SelectRate(inner, trial_steps=8)
    result = restore(chosen, seen, key=KEY, max_steps=5)
    scores = []
    for rate in (0.01, 0.1):
        one = restore(
            replace(inner, rate=rate), seen, key=KEY, max_steps=8, history=True
        )
        assert one.history is not None
        scores.append(float(one.history["objective"][-2:].mean()))
    assert int(result.selected) == np.argmin(scores)
    assert result.gradients == 5 + 2 * 8
    posterior = chosen.posterior(result)
    np.testing.assert_allclose(posterior.prior.rate, chosen.rate(result))


def test_what_cannot_be_used_is_refused():
    seen = observation()
    with pytest.raises(InputError, match="rate=0.5: expected from 0.01 to 0.1"):
        restore(VBLE(small_cae(), rate=0.5), seen, key=KEY)
    with pytest.raises(InputError, match="rate=0.5: a LinearDecoder has no rates"):
        restore(VBLE(decoder(), rate=0.5), seen, key=KEY)
    with pytest.raises(InputError, match="hyper=False: a LinearDecoder has no hyper"):
        restore(VBLE(decoder(), hyper=False), seen, key=KEY)
    with pytest.raises(InputError, match="key: missing, vble draws"):
        restore(VBLE(decoder()), seen)
    with pytest.raises(InputError, match="method: a VBLE of this prior has no rate"):
        restore(SelectRate(VBLE(decoder())), seen, key=KEY)


@pytest.mark.parametrize(
    ("kind", "rate"), [(float, 0.5), (np.float32, 0.001), (jnp.float32, 0.5)]
)
def test_rates_that_were_not_trained(kind, rate):
    with pytest.raises(InputError, match=f"rate={rate}: expected from 0.01 to 0.1"):
        restore(VBLE(small_cae(), rate=kind(rate)), observation(), key=KEY)
    chosen = SelectRate(VBLE(small_cae()), candidates=(0.05, rate))
    with pytest.raises(InputError, match=f"rate={rate}: expected from 0.01 to 0.1"):
        restore(chosen, observation(), key=KEY)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(9, 7, 1), (1, 3, 1)])
def test_images_smaller_than_a_latent(shape):
    seen = Observation(jnp.full(shape, 0.5), Identity(), GaussianNoise(0.03))
    result = restore(VBLE(small_cae()), seen, key=KEY, max_steps=2)
    assert result.image.shape == shape and np.isfinite(result.image).all()


@pytest.mark.slow
def test_no_noise_is_refused_or_told():
    y = jnp.full((8, 8, 1), 0.5)
    with pytest.raises(InputError, match="noise_std=0; expected > 0"):
        Observation.create(y, Identity(), 0.0)
    unchecked = Observation(y, Identity(), GaussianNoise(0.0))
    result = restore(VBLE(small_cae()), unchecked, key=KEY, max_steps=5)
    assert int(result.status) == Status.DIVERGED


def test_draws_that_spread_are_no_divergence():
    # So much noise leaves q the prior: its width grows from e^-3 to 1, and with it what
    # lies between the images of two steps.
    seen = gaussian(0.5 * SEEN, Mask(SEEN), jnp.float32(1.0))
    rules = replace(VBLE.stopping, growth=2)
    asked = {"key": KEY, "max_steps": 40, "stopping": rules, "history": True}
    result = restore(VBLE(decoder()), seen, **asked)
    changes = np.asarray(result.history["residual"])
    grown = changes[1:] > np.maximum.accumulate(changes)[:-1]
    assert (grown[1:-1] & grown[2:]).any()  # twice in a row, beyond all before
    assert result.status == Status.MAX_STEPS
