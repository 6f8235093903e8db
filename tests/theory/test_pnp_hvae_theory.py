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
    joint_minimiser,
    random_hierarchy,
    tempered_hierarchy,
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


# Propositions A.2 and A.3, Corollary 2


def tempered_mean(prior, image, tau):
    """D_tau(x) = E[mu(z) | x] of the tempered model (A.20): its mean is its mode."""
    n, sizes = image.size, [len(o) for o in prior.prior_offsets]
    rows, target = [prior.decoder_map / prior.decoder_std], []
    target.append((np.asarray(image).ravel() - prior.decoder_offset) / prior.decoder_std)
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
