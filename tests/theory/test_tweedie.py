"""Propositions A.2 and A.3, Corollary 2 of the thesis on affine hierarchies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles.affine_hierarchy import (
    as_arrays,
    exact_hierarchy,
    random_hierarchy,
    tempered_hierarchy,
)
from tests.theory.problems import GAMMA, SHAPE, random_image


def tempered_mean(prior, image, tau):
    """D_tau(x) = E[mu(z) | x] of the tempered model (A.20): its mean is its mode."""
    n, sizes = image.size, [len(o) for o in prior.prior_offsets]
    rows, target = [prior.decoder_map / prior.decoder_std], []
    target.append(
        (np.asarray(image).ravel() - prior.decoder_offset) / prior.decoder_std
    )
    latents, first = np.eye(sum(sizes)), 0
    for group, size in enumerate(sizes):
        weight = prior.whiten[group] / np.broadcast_to(tau, len(sizes))[group]
        own = latents[first : first + size]
        rows.append(weight @ (own - prior.prior_maps[group] @ latents[:first]))
        target.append(weight @ prior.prior_offsets[group])
        first += size
    z = np.linalg.lstsq(np.concatenate(rows), np.concatenate(target))[0]
    return (prior.decoder_map @ z + prior.decoder_offset)[:n]


@jax.jit
def _mean(prior, image, tau):
    return prior.reconstruct(image, tau).mean.ravel()


def reconstructed(prior, image, tau):
    return _mean(as_arrays(prior, jnp.float64), image, jnp.float64(tau))


@pytest.mark.parametrize("tau", [1.0, 0.75, 0.4, (0.9, 0.6, 0.4)])
def test_tweedie_for_the_tempered_model(tau):
    """Prop. A.2: D_tau(x) - x = gamma^2 grad log p_tau(x), p_tau(x) in closed form."""
    prior = random_hierarchy(0, SHAPE, std=GAMMA, gain=1.0)
    mean, covariance = tempered_hierarchy(prior, tau).marginal()
    x = random_image(5)
    score = np.linalg.solve(covariance, mean - np.asarray(x).ravel())
    pull = tempered_mean(prior, x, tau) - np.asarray(x).ravel()
    np.testing.assert_allclose(pull, GAMMA**2 * score, atol=1e-10)


def test_reconstruction_is_not_the_tempered_mean_below_temperature_one():
    """Even with q = p(z|x): what Algorithm 3 omits keeps HVAE(x) from D_tau(x)."""
    gaps = []
    for tau in (1.0, 0.9, 0.6):
        exact = exact_hierarchy(0, SHAPE, std=GAMMA, gain=1.0)
        x = random_image(5)
        found = reconstructed(exact, x, tau)
        gaps.append(np.sqrt(np.mean((found - tempered_mean(exact, x, tau)) ** 2)))
    assert gaps[0] < 1e-9 and 1e-3 < gaps[1] < gaps[2]


def test_with_one_group_the_reconstruction_is_the_tempered_mean():
    exact = exact_hierarchy(0, SHAPE, groups=(5,), std=GAMMA, gain=1.0)
    x = random_image(5)
    found = reconstructed(exact, x, 0.5)
    np.testing.assert_allclose(found, tempered_mean(exact, x, 0.5), atol=1e-9)


def test_corollary_2_does_not_follow_from_a_deterministic_encoder():
    """A.1 as a limit: gamma -> 0, q = p(z|x) -> a point. Prop. A.3 holds there.

    HVAE(x) and D_tau(x) meet, but only as fast as gamma^2: the difference of the two
    sides of (A.22), (HVAE(x) - D_tau(x)) / gamma^2, tends to a constant above 0.
    """
    x, gaps = random_image(5), []
    for gamma in (0.02, 0.01, 0.005):
        exact = exact_hierarchy(0, SHAPE, std=gamma, gain=1.0)
        found = reconstructed(exact, x, 0.6)
        gaps.append(np.linalg.norm(found - tempered_mean(exact, x, 0.6)))
    sides = np.array(gaps) / np.array([0.02, 0.01, 0.005]) ** 2
    assert gaps[2] < 0.3 * gaps[1] < 0.1 * gaps[0]
    np.testing.assert_allclose(sides[2], sides[1], rtol=0.05)
    assert sides[2] > 0.1
