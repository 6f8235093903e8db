"""Propositions 5.1 and 5.2 of the thesis on affine hierarchies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from tests.oracles.affine_hierarchy import (
    as_arrays,
    exact_hierarchy,
    random_hierarchy,
)
from tests.theory.problems import SHAPE, random_image

# Proposition 5.2: Algorithm 3 is greedy; jointly optimal at tau = 1 alone

TEMPERATURES = ((0.3,) * 3, (0.75,) * 3, (1.0,) * 3, (0.9, 0.6, 0.4))
SIZES = (2, 3, 4)


def j2_of(make):
    """A hierarchy, an image, E_tau(x) as a vector, and (L,) J2's terms of a vector."""
    prior = as_arrays(make(0, SHAPE, SIZES, gain=1.0), jnp.float64)
    image, ends = random_image(0), np.cumsum(SIZES)[:-1]

    @jax.jit
    def greedy(tau):
        return jnp.concatenate(prior.reconstruct(image, tau).latents)

    def terms(flat, tau):
        return prior.j2_terms(image, tuple(jnp.split(flat, ends)), tau)

    return prior, image, greedy, terms


def minimised(terms, tau, start):
    """Value and place of the least J2, by descent."""
    j2 = jax.jit(jax.value_and_grad(lambda flat: terms(flat, tau).sum()))
    return minimize(lambda z: j2(z), start, jac=True, tol=1e-14)


def test_algorithm_3_minimises_each_group_given_those_above():
    """The l-th term of J2 as a function of z_l: convex, stationary at E_tau(x)."""
    *_, greedy, terms = j2_of(random_hierarchy)
    slopes = jax.jit(jax.jacfwd(terms))
    curves = jax.jit(jax.jacfwd(jax.jacrev(terms)))
    for tau in map(jnp.asarray, TEMPERATURES):
        slope, curve = slopes(greedy(tau), tau), curves(greedy(tau), tau)
        for group, size in enumerate(SIZES):
            own = slice(first := sum(SIZES[:group]), first + size)
            np.testing.assert_allclose(slope[group, own], 0, atol=1e-9)
            assert np.linalg.eigvalsh(curve[group, own, own]).min() > 0.1


@pytest.mark.parametrize("make", [random_hierarchy, exact_hierarchy])
def test_algorithm_3_is_the_joint_minimiser_at_temperature_one_alone(make):
    """Erratum of Proposition 5.2: (5.38)-(5.39) drop C_l, whose slope is J2's."""
    prior, image, greedy, terms = j2_of(make)
    start = 3 * np.random.default_rng(0).normal(size=sum(SIZES))
    one, cold = jnp.ones(3), jnp.full(3, 0.6)
    best = greedy(one)
    found = minimised(terms, one, start)
    np.testing.assert_allclose(found.x, best, atol=1e-4)
    assert found.fun >= terms(best, one).sum() - 1e-10

    @jax.jit
    @jax.grad
    def slopes(flat):
        latents = tuple(jnp.split(flat, np.cumsum(SIZES)[:-1]))
        return (terms(flat, cold) - prior.omitted(image, latents, cold)).sum()

    np.testing.assert_allclose(slopes(best := greedy(cold)), 0, atol=1e-9)
    found = minimised(terms, cold, best)
    assert found.fun < terms(best, cold).sum() - 1e-3
    assert np.linalg.norm(found.x - best) > 1e-2


def test_a_term_of_j2_is_the_tempered_gaussian_and_the_omitted_part():
    """-log q - lambda log p = -log N(z_l; mu_tau, Sigma_tau) + C_l + const."""
    prior, image, _, terms = j2_of(random_hierarchy)

    @jax.jit
    @jax.vmap
    def gaps(flat):
        latents = tuple(jnp.split(flat, np.cumsum(SIZES)[:-1]))
        rest = terms(flat, tau) - prior.omitted(image, latents, tau)
        above, found = jnp.zeros(0), []
        for group, z in enumerate(latents):
            factor = prior.tempered(group, above, image, tau[group])
            found.append(rest[group] + prior.log_density(group, z, *factor))
            above = jnp.concatenate([above, z])
        return jnp.stack(found)

    tau = jnp.asarray((0.9, 0.6, 0.4))
    found = gaps(jnp.asarray(np.random.default_rng(0).normal(size=(20, 9))))
    np.testing.assert_allclose(found, np.broadcast_to(found[0], (20, 3)), rtol=1e-9)


def test_proposition_5_2_needs_constant_spreads():
    """If the second group's spread depends on the first, Algorithm 3 can be beaten."""
    image = jnp.zeros(1)

    def precision(above):
        return jnp.exp(4 * above)

    def j2(z):
        second = 0.5 * precision(z[0]) * z[1] ** 2 - 0.5 * jnp.log(precision(z[0]))
        return 0.5 * (z[0] - image[0]) ** 2 + second

    greedy = jnp.zeros(2)
    assert j2(jnp.array([0.5, 0.0])) < j2(greedy)


# Proposition 5.1 and the temperature limits


def test_tempered_factor_is_the_product_of_posterior_and_prior_power():
    prior = as_arrays(random_hierarchy(0, SHAPE, gain=1.0), jnp.float64)
    image, above, tau = random_image(0), jnp.array([0.3, -0.7]), 0.6
    mean_q, mean_p = prior.encoder(1, above, image), prior.prior(1, above)
    mean, sharpness = prior.tempered(1, above, image, tau)

    def energy(z, centre, weight):
        return 0.5 * jnp.sum(weight * (prior.whiten[1] @ (z - centre)) ** 2)

    def product(z):
        pull = (1 / tau**2 - 1) * energy(z, mean_p, 1.0)
        return energy(z, mean_q, prior.sharpness[1]) + pull

    points = jnp.asarray(np.random.default_rng(0).normal(size=(10, mean.size)))
    gaps = jax.vmap(lambda z: product(z) - energy(z, mean, sharpness))(points)
    np.testing.assert_allclose(gaps, gaps[0], rtol=1e-10)


def test_temperature_limits():
    prior = as_arrays(random_hierarchy(0, SHAPE, gain=1.0), jnp.float64)
    image = random_image(0)
    warm, cold = (prior.reconstruct(image, tau).latents for tau in (1.0, 1e-5))
    above_warm = above_cold = jnp.zeros(0)
    for group in range(prior.num_groups):
        mean = prior.encoder(group, above_warm, image)
        np.testing.assert_allclose(warm[group], mean, atol=1e-10)
        mean = prior.prior(group, above_cold)
        np.testing.assert_allclose(cold[group], mean, atol=1e-6)
        above_warm = jnp.concatenate([above_warm, warm[group]])
        above_cold = jnp.concatenate([above_cold, cold[group]])
