"""Samplers of x and z where the posterior is Gaussian and known.

Draws are whitened by the true mean and covariance; tests then have p-values of the
mean, the covariance and every coordinate's law. Seeds are fixed; of another seed ALARM
is the false-alarm rate of each of the three.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxrestore.errors import InputError
from jaxrestore.metrics.calibration import sbc_ranks, tarp, uniformity
from jaxrestore.operators import Blur, Mask
from jaxrestore.priors import load_prior
from jaxrestore.solvers import Gibbs, Status, sample, smc
from jaxrestore.solvers.method import Problem
from tests.oracles.affine_hierarchy import (
    as_arrays,
    exact_hierarchy,
    joint_posterior,
)
from tests.solvers.problems import gaussian

SHAPE, SIZE, GROUPS = (3, 3, 1), 9, (1, 2)
NOISE, GAMMA, ALARM = 0.3, 0.25, 1e-3
KEY, CHAINS = jax.random.key(5), 3000
SEEN = np.array([1.0, 0, 1, 1, 0, 1, 0, 0, 1])
EXACT = exact_hierarchy(1, SHAPE, GROUPS, std=GAMMA, gain=1.0)


def mask():
    return Mask(jnp.asarray(SEEN.reshape(SHAPE), jnp.float32))


def blur():
    return Blur(jnp.asarray([[0.0, 0.2, 0.0], [0.2, 0.4, 0.1], [0.0, 0.1, 0.0]]))


def matrix_of(operator):
    columns = jax.vmap(lambda e: operator(e.reshape(SHAPE)).ravel())(jnp.eye(SIZE))
    return np.asarray(columns, np.float64).T


def observed(operator):
    return gaussian(
        operator(jnp.linspace(0, 1, SIZE).reshape(SHAPE)), operator, jnp.float32(NOISE)
    )


def drawn(method, seen, burn_in=30):
    """(CHAINS, x and z) the last states of independent chains."""
    found = sample(
        method, seen, key=KEY, n_samples=CHAINS, chains=CHAINS, burn_in=burn_in
    )
    assert found.status == Status.DRAWN
    state = found.chains.states
    np.testing.assert_array_equal(state.image, found.samples)
    latents = state.draw.decoded.latents
    return np.concatenate([state.image.reshape(CHAINS, -1), *latents], 1)


def p_values(draws, mean, covariance):
    """Of mean, covariance, and the worst coordinate's law (Bonferroni)."""
    root = np.linalg.inv(np.linalg.cholesky(covariance))
    white = (draws - mean) @ root.T
    count, size = white.shape
    at_mean = stats.chi2.sf(count * np.sum(white.mean(0) ** 2), size)
    products = white[:, :, None] * white[:, None, :] - np.eye(size)
    rows, columns = np.triu_indices(size)
    scores = products[:, rows, columns].mean(0) * np.sqrt(count)
    scores[rows == columns] /= np.sqrt(2)
    at_covariance = stats.chi2.sf(np.sum(scores**2), len(rows))
    laws = [stats.kstest(column, "norm").pvalue for column in white.T]
    return np.array([at_mean, at_covariance, min(1, size * min(laws))])


def posterior(seen, tau=1.0):
    operator, y = matrix_of(seen.operator), seen.operator.clean(seen.y)
    rows = np.abs(operator).sum(1) > 0
    y = np.asarray(y, np.float64).ravel()[rows]
    return joint_posterior(EXACT, operator[rows], y, NOISE, GAMMA, tau)


@pytest.mark.slow
@pytest.mark.parametrize("operator", [mask, blur])
def test_with_an_exact_encoder_the_chain_has_the_posterior(operator):
    seen = observed(operator())
    method = Gibbs(as_arrays(EXACT))
    assert (p_values(drawn(method, seen), *posterior(seen)) > ALARM).all()


# At tau < 1, and with an encoder that is off.
TAU, OFF = 0.7, tuple(offset + 0.1 for offset in EXACT.encoder_offsets)
BIASED = Gibbs(
    as_arrays(replace(EXACT, encoder_offsets=OFF)),
    temperature=TAU,
    decoder_std=GAMMA,
)


@pytest.mark.parametrize(
    "blocks, stride", [pytest.param(1, 1.0, marks=pytest.mark.slow), (2, 0.7)]
)
def test_correction_makes_a_wrong_encoder_exact(blocks, stride):
    seen = observed(mask())
    method = replace(BIASED, blocks=blocks, stride=stride)
    draws = drawn(method, seen, 60)
    assert (p_values(draws, *posterior(seen, TAU)) > ALARM).all()


@pytest.mark.slow
@pytest.mark.parametrize("encoder, least, most", [("exact", 0, 0.3), ("off", 0.5, 1.5)])
def test_without_correction_the_bias_is_the_encoders(encoder, least, most):
    """Of the worst mean, in posterior deviations; the standard error is 0.02."""
    seen = observed(mask())
    exact = replace(BIASED, prior=as_arrays(EXACT))
    mean, covariance = posterior(seen, TAU)
    draws = drawn(exact if encoder == "exact" else BIASED, seen)
    off = np.abs(draws.mean(0) - mean) / np.sqrt(np.diag(covariance))
    print(f"encoder {encoder}: bias {off.max():.2f} deviations")
    assert least < off.max() < most


@pytest.mark.slow
@pytest.mark.parametrize("operator", [mask, blur])
@pytest.mark.parametrize("groups", [1, 2])
def test_weighted_particles_have_the_posterior(operator, groups):
    """A wrong proposal at tau < 1; 4.5 standard errors, of 12 values."""
    seen, count = observed(operator()), 20_000
    found = smc(
        BIASED.prior,
        seen,
        key=KEY,
        particles=count,
        image=seen.initial_image(),
        groups=groups,
        temperature=TAU,
        decoder_std=GAMMA,
        threshold=0.9,
    )
    assert found.effective.shape == (3 - groups,) and found.effective[-1] > 500
    mean, covariance = posterior(seen, TAU)
    draws = np.concatenate([found.images.reshape(count, -1), *found.latents], 1)
    weights = np.asarray(found.weights)
    # Resampling makes copies: of each stage, the effective number counts.
    errors = np.sqrt(np.diag(covariance) * np.sum(1 / np.asarray(found.effective)))
    assert np.all(np.abs(weights @ draws - mean) < 4.5 * errors)
    variances = weights @ (draws - weights @ draws) ** 2
    np.testing.assert_allclose(variances, np.diag(covariance), rtol=0.2)


@pytest.mark.slow
def test_the_evidence_is_that_of_the_observation():
    seen, rows = observed(mask()), SEEN > 0
    cold = tuple(TAU * w for w in EXACT.unwhiten)
    mean, covariance = replace(EXACT, unwhiten=cold, decoder_std=GAMMA).marginal()
    y = np.asarray(seen.y).ravel()[rows]
    covariance = covariance[np.ix_(rows, rows)] + NOISE**2 * np.eye(rows.sum())
    exact = stats.multivariate_normal(mean[rows], covariance).logpdf(y)
    arguments = {"temperature": TAU, "decoder_std": GAMMA, "particles": 20_000}
    image = seen.initial_image()
    for groups in (1, 2):
        found = smc(
            BIASED.prior, seen, key=KEY, image=image, groups=groups, **arguments
        )
        constant = rows.sum() / 2 * np.log(2 * np.pi)
        assert float(found.log_evidence) - constant == pytest.approx(exact, abs=0.05)


@pytest.mark.slow
def test_ranks_of_truths_of_the_prior_are_uniform():
    """Simulation-based calibration of 400 truths; false alarm 1e-3 of the nine."""
    mean, covariance = EXACT.marginal()
    rng, count = np.random.default_rng(0), 400
    truths = rng.multivariate_normal(mean, covariance, count).astype(np.float32)
    noise = NOISE * rng.normal(size=truths.shape)
    y = jnp.asarray((truths + noise) * SEEN, jnp.float32).reshape(count, *SHAPE)
    method, keys = Gibbs(as_arrays(EXACT)), jax.random.split(KEY, count)

    @jax.jit
    @jax.vmap
    def draw(y, key):
        seen = gaussian(y, mask(), jnp.float32(NOISE))
        arguments = {"n_samples": 31, "chains": 1, "burn_in": 20, "thinning": 5}
        return sample(method, seen, key=key, **arguments).samples

    draws = draw(y, keys).reshape(count, 31, SIZE)
    p_values = uniformity(sbc_ranks(draws, truths), 31)
    assert p_values.shape == (SIZE,) and (p_values > 1e-3 / SIZE).all()
    shares = tarp(draws, truths, rng.uniform(-1, 2, truths.shape))
    assert uniformity(np.rint(31 * shares).astype(int), 31) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("operator", [mask, blur])
def test_the_mean_of_expectations_is_unbiased_and_spreads_less(operator):
    """600 short chains; of another seed 1e-3 is the false-alarm rate of the bias."""
    seen, count = observed(operator()), 600
    mean = posterior(seen)[0][:SIZE]

    @jax.jit
    @jax.vmap
    def draw(key):
        arguments = {"n_samples": 8, "chains": 1, "burn_in": 20}
        found = sample(Gibbs(as_arrays(EXACT)), seen, key=key, **arguments)
        return found.mean, found.samples.mean(0)

    expected, plain = (m.reshape(count, -1) for m in draw(jax.random.split(KEY, count)))
    scores = (expected.mean(0) - mean) / expected.std(0) * np.sqrt(count)
    assert SIZE * 2 * stats.norm.sf(np.abs(scores).max()) > ALARM
    ratio = expected.var(0) / plain.var(0)
    print(f"variance of the mean, of that of the draws' average: {ratio.round(2)}")
    # A ratio of equal variances of so many pairs has a deviation of at most 0.08.
    assert ratio.max() < 0.9


@pytest.mark.slow
def test_a_step_costs_a_pass_and_a_data_step():
    """In operations by the compiler's account, loops over equal blocks counted once."""
    prior, image = load_prior("vdvae-faces64"), jnp.full((64, 64, 1), 0.5)
    seen = gaussian(image, Mask(jnp.ones((64, 64, 1))), jnp.float32(0.01))
    method = Gibbs(prior, decoder_std=0.02).validate(seen)
    method, problem = method.cast(jnp.float32), Problem(seen, image, 1, KEY)
    state = jax.eval_shape(method.init, problem)

    def operations(function, *arguments):
        return jax.jit(function).lower(*arguments).cost_analysis()["flops"]

    one = operations(lambda p, x: p.reconstruct(x, 1.0), prior, image)
    step = operations(lambda m, *rest: m.step(*rest), method, problem, state, KEY)
    data = operations(lambda y, x: y.sample(KEY, x, 0.02), seen, image)
    print(
        f"a step takes {(step - data) / one:.3f} passes, its data step {data / one:.3f}"
    )
    assert 1 <= (step - data) / one < 1.1


@pytest.mark.slow
def test_chains_over_devices_are_those_of_one():
    seen = observed(mask())
    arguments = {"key": KEY, "n_samples": 16, "chains": 8, "keep": False}
    one, eight = (
        sample(BIASED, seen, devices=devices, **arguments)
        for devices in (None, jax.devices()[:8])
    )
    np.testing.assert_allclose(one.mean, eight.mean, atol=1e-5)
    np.testing.assert_allclose(one.std, eight.std, atol=1e-5)
    assert len(eight.chains.states.image.sharding.device_set) == 8


def test_what_cannot_be_used_is_refused():
    seen = observed(mask())
    with pytest.raises(InputError, match="blocks=3: expected at most 2"):
        Gibbs(as_arrays(EXACT), blocks=3).validate(seen)
    with pytest.raises(InputError, match="image has shape"):
        image = jnp.zeros((2, 2, 1))
        smc(as_arrays(EXACT), seen, key=KEY, particles=9, image=image)
    with pytest.raises(InputError, match="decoder_std: one for each pixel"):
        image = jnp.zeros(SHAPE)
        smc(as_arrays(EXACT), observed(blur()), key=KEY, particles=9, image=image)
