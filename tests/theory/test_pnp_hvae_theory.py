"""Propositions 5.3 to 5.5 of the thesis on affine hierarchies."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.solvers import Status
from tests.oracles.affine_hierarchy import (
    as_arrays,
    exact_hierarchy,
    joint_minimiser,
    random_hierarchy,
)
from tests.theory.problems import (
    GAMMA,
    OPERATORS,
    SHAPE,
    SIGMA,
    matrix_of,
    observe,
    operators,
    random_image,
    solve,
)


@pytest.mark.slow
def test_cold_restoration_is_one_prox_of_the_prior_mean():
    prior = as_arrays(random_hierarchy(0, SHAPE), jnp.float64)
    observation = observe(operators()["blur"])
    cold = solve(prior, observation, 1e-6)
    mean = prior.reconstruct(jnp.zeros(SHAPE), 1e-6).mean
    expected = observation.prox(mean, GAMMA**2)
    np.testing.assert_allclose(cold.image, expected, atol=1e-8)
    assert cold.status == Status.CONVERGED


@pytest.mark.parametrize("name", OPERATORS)
def test_a_step_is_the_prox_of_the_reconstruction(name):
    prior = as_arrays(random_hierarchy(0, SHAPE, gain=0.1), jnp.float64)
    observation, tau = observe(operators()[name]), 0.8
    x = random_image(7)
    one = solve(prior, observation, tau, start=x, max_steps=1)
    v = prior.reconstruct(x, tau).mean
    matrix, _ = matrix_of(observation.operator)
    clean = observation.operator.adjoint(observation.operator.clean(observation.y))
    rhs = clean.ravel() / SIGMA**2 + v.ravel() / GAMMA**2
    prox = np.linalg.solve(matrix.T @ matrix / SIGMA**2 + np.eye(16) / GAMMA**2, rhs)
    np.testing.assert_allclose(one.image.ravel(), prox, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.5, 1.0])
@pytest.mark.parametrize("name", OPERATORS)
def test_contraction_stays_below_the_bound(name, tau):
    prior = as_arrays(random_hierarchy(0, SHAPE, gain=0.2), jnp.float64)
    observation = observe(operators()[name])
    hvae, _ = matrix_of(lambda x: prior.reconstruct(x, tau).mean)
    matrix, _ = matrix_of(observation.operator)
    step, _ = matrix_of(
        lambda x: observation.prox(prior.reconstruct(x, tau).mean, GAMMA**2)
    )
    lipschitz = np.linalg.norm(hvae, 2)
    smallest = np.linalg.eigvalsh(matrix.T @ matrix)[0]
    bound = SIGMA**2 * lipschitz / (GAMMA**2 * smallest + SIGMA**2)
    factor = np.linalg.norm(step, 2)
    assert factor <= bound * (1 + 1e-9)
    assert bound < 1, "the example must contract"
    if name == "identity":
        np.testing.assert_allclose(factor, bound, rtol=1e-9)

    result = solve(prior, observation, tau, history=True, max_steps=50)
    ratios = np.asarray(result.history["contraction"])
    ratios = ratios[1 : min(int(result.steps), 8)]
    assert (ratios <= factor * (1 + 1e-6)).all()
    assert result.status == Status.CONVERGED


@pytest.mark.parametrize("name", OPERATORS)
def test_returned_point_satisfies_the_fixed_point_equation(name):
    prior = as_arrays(random_hierarchy(0, SHAPE, gain=0.2), jnp.float64)
    observation, tau = observe(operators()[name]), 0.9
    result = solve(prior, observation, tau)
    assert result.status == Status.CONVERGED
    pull = (result.mean - result.image) / GAMMA**2
    np.testing.assert_allclose(observation.gradient(result.image), pull, atol=1e-7)


@pytest.mark.parametrize("name", OPERATORS)
def test_exact_model_at_tau_one_gives_the_map_image(name):
    """With q = p(z|x), HVAE(x) - x = gamma^2 grad log p(x) (Tweedie, Prop. A.2)."""
    exact = exact_hierarchy(0, SHAPE, std=GAMMA, gain=1.0)
    mean, covariance = exact.marginal()
    prior = as_arrays(exact, jnp.float64)
    x = random_image(5)
    score = np.linalg.solve(covariance, mean - np.asarray(x).ravel())
    denoised = prior.reconstruct(x, 1.0).mean
    np.testing.assert_allclose((denoised - x).ravel(), GAMMA**2 * score, atol=1e-9)

    observation = observe(operators()[name])
    result = solve(prior, observation, 1.0, tolerance=1e-12)
    matrix, _ = matrix_of(observation.operator)
    clean = observation.operator.adjoint(observation.operator.clean(observation.y))
    precision = np.linalg.inv(covariance)
    rhs = clean.ravel() / SIGMA**2 + precision @ mean
    wiener = np.linalg.solve(matrix.T @ matrix / SIGMA**2 + precision, rhs)
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(result.image.ravel(), wiener, atol=1e-7)


def test_objective_never_rises_when_encoder_and_posterior_agree():
    """tau = 1, q = p(z|x): both alternating steps minimise J1 exactly."""
    prior = as_arrays(exact_hierarchy(0, SHAPE, std=GAMMA, gain=1.0), jnp.float64)
    result = solve(prior, observe(operators()["blur"]), 1.0, history=True, max_steps=60)
    objective = np.asarray(result.history["objective"])[: int(result.steps)]
    assert (np.diff(objective) <= 1e-9).all()


@pytest.mark.parametrize("groups, falls", [((9,), True), ((2, 3, 4), False)])
def test_below_temperature_one_only_one_group_descends(groups, falls):
    """With q = p(z|x) and L = 1 both steps minimise J1 at any tau; with more, not."""
    exact = exact_hierarchy(0, SHAPE, groups, std=GAMMA, gain=1.0)
    prior, observation = as_arrays(exact, jnp.float64), observe(operators()["blur"])
    limits = {"max_steps": 300, "tolerance": 1e-12, "history": True}
    result = solve(prior, observation, 0.6, **limits)
    matrix, _ = matrix_of(observation.operator)
    y = np.asarray(observation.y)
    best, _ = joint_minimiser(exact, matrix, y, SIGMA, GAMMA, 0.6)
    distance = np.sqrt(np.mean((np.asarray(result.image).ravel() - best) ** 2))
    assert distance < 1e-7 if falls else 1e-3 < distance < 0.1
    if falls:
        objective = np.asarray(result.history["objective"])[: int(result.steps)]
        assert (np.diff(objective) <= 1e-9).all()
