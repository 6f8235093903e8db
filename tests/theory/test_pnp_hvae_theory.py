"""Propositions 5.1 to 5.5 of the thesis on affine hierarchies, in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from jaxrestore.operators import Blur, Identity, Mask, Matrix
from jaxrestore.solvers import PnPHVAE, Status
from tests.oracles.affine_hierarchy import (
    as_arrays,
    exact_hierarchy,
    random_hierarchy,
)
from tests.solvers.problems import gaussian, run

SHAPE = (4, 4, 1)
SIGMA, GAMMA = 0.1, 0.25
OPERATORS = ("identity", "mask", "blur", "matrix")
KERNEL = np.array([[0.0, 0.1, 0.1], [0.0, 0.4, 0.2], [0.1, 0.1, 0.0]])


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def random_image(seed, shape=SHAPE):
    return jnp.asarray(np.random.default_rng(seed).uniform(size=shape))


def matrix_of(function, size=16):
    """The matrix of an affine map of images, and its offset."""
    flat = jax.jit(lambda v: function(v.reshape(SHAPE)).ravel())
    offset = flat(jnp.zeros(size))
    return np.asarray(jax.jit(jax.vmap(flat))(jnp.eye(size)) - offset).T, offset


def operators():
    mask = jnp.asarray(np.random.default_rng(1).uniform(size=(4, 4, 1)) > 0.5)
    rows = np.random.default_rng(2).normal(size=(16, 16)) / 4 + np.eye(16)
    return {
        "identity": Identity(),
        "mask": Mask(mask.astype(jnp.float64)),
        "blur": Blur(jnp.asarray(KERNEL)),
        "matrix": Matrix(jnp.asarray(rows), SHAPE),
    }


def solve(prior, observation, tau, **settings):
    settings = {"max_steps": 3000, "tolerance": 1e-13, "history": False} | settings
    return run(
        PnPHVAE,
        prior,
        observation,
        temperature=jnp.asarray(tau),
        decoder_std=jnp.float64(GAMMA),
        **settings,
    )


def observe(operator, seed=3):
    clean = random_image(seed)
    noise = SIGMA * np.random.default_rng(seed + 1).normal(size=operator(clean).shape)
    return gaussian(operator(clean) + noise, operator, jnp.float64(SIGMA))


# Proposition 5.2


@pytest.mark.parametrize("tau", [0.3, 0.75, 1.0, (0.9, 0.6, 0.4)])
@pytest.mark.parametrize("seed", [0, 1])
def test_algorithm_3_is_the_global_minimiser_of_j2(seed, tau):
    prior = as_arrays(random_hierarchy(seed, SHAPE, gain=1.0), jnp.float64)
    image = random_image(seed)
    sizes = np.cumsum([z.size for z in prior.prior_offsets])[:-1]

    @jax.jit
    @jax.value_and_grad
    def j2(flat):
        return prior.j2(image, tuple(jnp.split(flat, sizes)), tau)

    best = jnp.concatenate(prior.reconstruct(image, tau).latents)
    value, slope = j2(best)
    assert jnp.linalg.norm(slope) < 1e-9

    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(200, best.size)) * 10 ** rng.uniform(-3, 1, (200, 1))
    others = jax.vmap(lambda step: j2(best + step)[0])(jnp.asarray(steps))
    assert (others > value).all()

    start = 3 * rng.normal(size=best.size)
    found = minimize(lambda z: j2(z), start, jac=True, tol=1e-14)
    assert found.fun >= value - 1e-10
    np.testing.assert_allclose(found.x, best, atol=1e-4)


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


def test_cold_restoration_is_one_prox_of_the_prior_mean():
    prior = as_arrays(random_hierarchy(0, SHAPE), jnp.float64)
    observation = observe(operators()["blur"])
    cold = solve(prior, observation, 1e-6)
    mean = prior.reconstruct(jnp.zeros(SHAPE), 1e-6).mean
    expected = observation.prox(mean, GAMMA**2)
    np.testing.assert_allclose(cold.image, expected, atol=1e-8)
    assert cold.status == Status.CONVERGED


# Propositions 5.3 to 5.5


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
