"""Calibration where the answer is known."""

import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.metrics import calibration, mixing

RNG = np.random.default_rng(0)
LEVELS = np.array([0.5, 0.9, 0.95])


def test_right_draws_are_covered_and_narrow_ones_are_not():
    samples, truth = RNG.normal(size=(800, 60, 60)), RNG.normal(size=(60, 60))
    right = calibration.coverage(samples, truth, LEVELS)
    # Three standard deviations of 3600 independent pixels, and of the quantiles.
    np.testing.assert_allclose(right.share, LEVELS, atol=0.03)
    np.testing.assert_allclose(right.width, [0.674, 1.645, 1.96], atol=0.02)
    narrow = calibration.coverage(samples / 2, truth, LEVELS)
    np.testing.assert_allclose(narrow.share, [0.264, 0.589, 0.673], atol=0.03)
    mended = calibration.coverage(samples / 2, truth, LEVELS, factor=2)
    np.testing.assert_allclose(mended.share, right.share, atol=0.01)


def test_reliability_and_z_scores():
    stds = RNG.uniform(0.5, 2, 40_000)
    errors = stds * RNG.normal(size=stds.shape)
    stated, found = calibration.reliability(errors, stds)
    np.testing.assert_allclose(found, stated, rtol=0.06)
    scores = calibration.z_scores(errors, 0, stds)
    assert abs(scores.std() - 1) < 0.02


def conjugate(shrink):
    """Truth, draws of mu | y for mu ~ N(0, 1), y ~ N(mu, 1), their spread scaled."""
    truth = RNG.normal(size=(1000, 3))
    seen = truth + RNG.normal(size=truth.shape)
    noise = shrink * np.sqrt(0.5) * RNG.normal(size=(1000, 31, 3))
    return truth, seen[:, None] / 2 + noise


def test_ranks_and_tarp_tell_right_from_wrong():
    for shrink, good in ((1.0, True), (0.6, False)):
        truth, draws = conjugate(shrink)
        ranks = calibration.sbc_ranks(draws, truth)
        assert ranks.min() >= 0 and ranks.max() <= 31
        p_values = calibration.uniformity(ranks, 31)
        assert p_values.shape == (3,)
        references = RNG.uniform(-2, 2, truth.shape)
        shares = calibration.tarp(draws, truth, references)
        whole = calibration.uniformity(np.rint(31 * shares).astype(int), 31)
        # False alarm of each: 1e-3.
        assert (p_values > 1e-3).all() == good and (whole > 1e-3) == good


def test_conformal_bounds_hold_and_are_not_too_wide():
    shares, factors = [], []
    for _ in range(200):
        scale = RNG.gamma(2, 1, (21, 1))
        errors = np.abs(scale * RNG.normal(size=(21, 400)))
        bounds = np.full_like(errors, 0.7)
        factor = calibration.conformal_factor(errors[:20], bounds[:20], 0.9)
        missed = np.mean(errors[:20] > factor * bounds[:20])
        assert (20 * missed + 1) / 21 <= 0.1 + 2 / errors.size  # rounding
        shares.append(np.mean(errors[20] <= factor * bounds[20]))
        factors.append(factor)
    # The promise is on the mean; three of its standard errors.
    assert np.mean(shares) > 0.9 - 3 * np.std(shares) / np.sqrt(200)
    assert np.mean(shares) < 0.97
    with pytest.raises(InputError, match="expected at least 9"):
        calibration.conformal_factor(errors[:8], bounds[:8], 0.9)


def autoregressive(rho, steps=2000, chains=4):
    values = [RNG.normal(size=chains)]
    for _ in range(steps - 1):
        noise = np.sqrt(1 - rho**2) * RNG.normal(size=chains)
        values.append(rho * values[-1] + noise)
    return np.stack(values)


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.5, 0.9])
def test_effective_size_of_autoregressive_chains(rho):
    found = mixing.effective_size(autoregressive(rho))
    np.testing.assert_allclose(found, 8000 * (1 - rho) / (1 + rho), rtol=0.25)


def test_r_hat_sees_places_and_spreads_that_differ():
    draws = RNG.normal(size=(500, 4, 3))
    assert (mixing.r_hat(draws) < 1.02).all()
    draws[:, 0, 1] += 1
    draws[:, 0, 2] *= 4
    found = mixing.r_hat(draws)
    assert found[0] < 1.02 and found[1] > 1.05 and found[2] > 1.05
    with pytest.raises(InputError, match="N >= 4 steps and finite"):
        mixing.r_hat(np.full((10, 2), np.nan))
