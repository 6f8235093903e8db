"""The discretised mixture of logistics: a probability, its moments and its draws."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.priors.hvae.dmol import DiscretizedLogistics, from_raw, target_levels


def _single(mean, log_scale, levels=256, **kwargs):
    """One grey pixel, one logistic."""
    at = lambda value: jnp.full((1, 1, 1, 1), value, jnp.float32)  # noqa: E731
    logits = jnp.zeros((1, 1, 1))
    return DiscretizedLogistics(logits, at(mean), at(log_scale), None, levels, **kwargs)


def _values(levels):
    return jnp.arange(levels) * (256 // levels) / 127.5 - 1.0


def _total(distribution):
    values = _values(distribution.levels).reshape(-1, 1, 1, 1)
    log_probs = jax.jit(jax.vmap(distribution.log_prob))(values)
    return float(np.exp(np.asarray(log_probs, np.float64)).sum())


def _errors(scales, **kwargs):
    """Largest |sum over all values - 1| of single logistics, for each log scale."""
    means = np.random.default_rng(0).uniform(-1.2, 1.2, 100).astype(np.float32)
    values = _values(256).reshape(-1, 1, 1, 1)

    def log_probs(scale, mean):
        return jax.vmap(_single(mean, scale, **kwargs).log_prob)(values)

    run = jax.vmap(jax.vmap(log_probs, (None, 0)), (0, None))
    totals = np.exp(np.asarray(jax.jit(run)(scales, means), np.float64)).sum(-1)
    return np.abs(totals - 1.0).max(1)


def test_probabilities_of_a_grey_pixel_sum_to_one():
    scales = np.arange(-7.0, 1.1, 0.5, np.float32)
    assert _errors(scales, exact_bins=True).max() < 1e-5
    # The released rule for bins below 1e-5 loses some of them at narrow scales.
    released = _errors(scales)
    assert released[scales >= -5.5].max() < 1e-5 < released.max() < 2e-5


def test_a_mixture_sums_to_one_too():
    raw = jax.random.normal(jax.random.key(0), (1, 1, 15)) - 1.0
    assert _total(from_raw(raw, 1, 256)) == pytest.approx(1.0, abs=1e-5)


def test_published_five_bit_bins_overlap():
    """Half a bin is 1/31 instead of 4/127.5: in the middle 2.8 % too much in all."""
    total = _total(_single(0.0, -4.0, 32))
    assert total == pytest.approx(127.5 / (4 * 31), abs=2e-3)
    # There is no open bin on the right, where mass is missing instead.
    assert _total(_single(1.0, -1.0, 32)) < 0.7


def test_both_rules_agree_on_bins_that_matter():
    released = _single(0.1, -3.0)
    exact = replace(released, exact_bins=True)
    x = _values(256).reshape(-1, 1, 1, 1)[100:180]
    np.testing.assert_allclose(
        jax.vmap(released.log_prob)(x), jax.vmap(exact.log_prob)(x), atol=2e-3
    )


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_are_finite_everywhere(channels, exact):
    def score(raw, x):
        return from_raw(raw, channels, 256, exact).log_prob(x)

    run = jax.jit(jax.value_and_grad(score))
    size = 10 * 4 if channels == 3 else 3 * 4
    noise = np.random.default_rng(1).normal(size=(3, 3, size)).astype(np.float32)
    for scale, value in [(100.0, -1.0), (100.0, 1.0), (30.0, 0.0), (0.0, 1.0)]:
        x = jnp.full((3, 3, channels), value)
        log_prob, gradient = run(scale * noise, x)
        assert np.isfinite(log_prob) and np.isfinite(gradient).all(), (scale, value)


def _colour(key, spread=0.15):
    """Two components well inside [-1, 1], narrow enough not to be clipped."""
    keys = jax.random.split(key, 3)
    shape = (1, 1, 3, 2)
    return DiscretizedLogistics(
        logits=jnp.array([[[0.3, -0.4]]]),
        means=spread * jax.random.normal(keys[0], shape),
        log_scales=-3.5 + 0.3 * jax.random.normal(keys[1], shape),
        coefficients=jnp.tanh(jax.random.normal(keys[2], shape)),
    )


def _draws(distribution, count=40_000):
    keys = jax.random.split(jax.random.key(2, impl="unsafe_rbg"), count)
    return jax.jit(jax.vmap(distribution.sample))(keys)[:, 0, 0]


@pytest.mark.slow
def test_draws_have_the_coupled_mean_and_variance():
    distribution = _colour(jax.random.key(5))
    draws = _draws(distribution)
    mean, variance = (m[0, 0] for m in distribution.moments(coupled=True))
    error = np.sqrt(variance / len(draws))
    np.testing.assert_array_less(np.abs(draws.mean(0) - mean) / error, 4.0)
    np.testing.assert_allclose(draws.var(0) / variance, 1.0, atol=0.03)
    # The released approximation leaves blue's mean where the draws are not.
    released, _ = distribution.moments()
    assert abs(released[0, 0, 2] - draws[:, 2].mean()) > 10 * error[2]
    np.testing.assert_allclose(released[0, 0, :2], mean[:2], atol=1e-6)


def test_draws_follow_the_probabilities():
    distribution = _single(-0.95, -3.0)  # the left edge takes a large part
    levels = np.rint((np.asarray(_draws(distribution)) + 1.0) * 127.5).astype(int)
    counts = np.bincount(levels.ravel(), minlength=256) / levels.size
    values = _values(256).reshape(-1, 1, 1, 1)
    expected = np.exp(np.asarray(jax.vmap(distribution.log_prob)(values)))
    assert np.abs(counts - expected).max() < 4 * np.sqrt(0.25 / levels.size)


def test_draws_are_levels():
    for levels in (256, 32):
        draws = _draws(replace(_colour(jax.random.key(6)), levels=levels), 50)
        steps = (draws + 1.0) * 127.5 / (256 // levels)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


def test_grey_is_not_coupled():
    raw = jax.random.normal(jax.random.key(3), (2, 2, 3 * 5))
    grey = from_raw(raw, 1, 256)
    assert grey.coefficients is None and grey.means.shape == (2, 2, 1, 5)
    for ours, released in zip(grey.moments(True), grey.moments(False), strict=True):
        np.testing.assert_array_equal(ours, released)


def test_target_levels():
    image = jnp.arange(256).reshape(16, 16, 1) / 255.0
    raw = np.arange(256).reshape(16, 16, 1)
    eight = (target_levels(image, 256) + 1) * 127.5
    np.testing.assert_allclose(eight, raw, atol=1e-4)
    five = (target_levels(image, 32) + 1) * 127.5
    np.testing.assert_allclose(five, 8 * (raw // 8), atol=1e-4)
