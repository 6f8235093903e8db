"""Chapters 4 and 6 of the thesis on affine hierarchies: (4.15) to (4.18), 6.1, 6.2, B.

Everything is Gaussian, so that expectations of quadratics and divergences are exact;
`consistency`, which draws, is held against closed forms with one small pixel.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.operators import Matrix
from jaxrestore.priors.hvae import consistency
from tests.oracles.affine_super_resolution import Encoder, model

ROWS = np.random.default_rng(5).uniform(0, 0.2, (3, 16))  # H, for three small pixels
ONE = np.full((1, 16), 1 / 16)


def divergence(p, q):
    """KL(p || q) of Gaussians (mean, covariance)."""
    (a, s), (b, t) = p, q
    inverse = jnp.linalg.inv(t)
    volumes = jnp.linalg.slogdet(t)[1] - jnp.linalg.slogdet(s)[1]
    far = (b - a) @ inverse @ (b - a)
    return 0.5 * (jnp.trace(inverse @ s) + far - len(a) + volumes)


def log_prob(x, mean, covariance):
    far = (x - mean) @ jnp.linalg.solve(covariance, x - mean)
    return -0.5 * (far + jnp.linalg.slogdet(2 * np.pi * covariance)[1])


def expected(function, mean, covariance):
    """E f(x) of a quadratic f, x ~ N(mean, covariance): exact."""
    return function(mean) + 0.5 * jnp.trace(jax.hessian(function)(mean) @ covariance)


def data(toy):
    """Mean and covariance of p(x)."""
    at = toy.pixels
    return toy.mean[at], toy.covariance[np.ix_(at, at)]


def affine(key, toy):
    """An encoder q(z | x) that is not p(z | x)."""
    rng, n = np.random.default_rng(key), sum(toy.sizes)
    root = 0.3 * np.eye(n) + 0.05 * rng.normal(size=(n, n))
    return 0.3 * rng.normal(size=(n, 16)), rng.normal(size=n), root @ root.T


# Chapter 4


@pytest.mark.slow
@pytest.mark.parametrize("exact", [True, False])
def test_the_evidence_bound_is_entropy_and_divergence(exact):
    """(4.15); 0 divergence, (4.17), and q = p(z | x), (4.18), where it is reached."""
    toy = model(0, ROWS)
    codes = toy.first(2)
    gain, offset, left = toy.given(codes, toy.pixels) if exact else affine(1, toy)
    decoder = toy.given(toy.pixels, codes)
    prior = toy.mean[codes], toy.covariance[np.ix_(codes, codes)]

    def elbo(x):
        mean = gain @ x + offset
        likelihood = expected(
            lambda z: log_prob(x, decoder[0] @ z + decoder[1], decoder[2]), mean, left
        )
        return likelihood - divergence((mean, left), prior)

    centre, covariance = data(toy)
    bound = expected(elbo, centre, covariance)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    cross = gain @ covariance
    joint = np.block([[gain @ cross.T + left, cross], [cross.T, covariance]])
    apart = divergence(
        (np.concatenate([gain @ centre + offset, centre]), joint),
        (toy.mean, toy.covariance),
    )
    np.testing.assert_allclose(bound, -entropy - apart, rtol=1e-9)
    assert abs(apart) < 1e-8 if exact else apart > 1


# Chapter 6


def criterion(toy, k, q, encoder):
    """(6.12): E KL(q(z_<k | x) || q_psi(z_<k | y)), both affine Gaussians."""
    centre, covariance = data(toy)
    own = np.arange(len(toy.first(k)))
    gain, offset, left = q[0][own], q[1][own], q[2][np.ix_(own, own)]

    def of(x):
        mean = encoder[0] @ (toy.matrix @ x) + encoder[1]
        return divergence((gain @ x + offset, left), (mean, encoder[2]))

    return expected(of, centre, covariance)


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 2])
def test_the_criterion_is_least_where_encoders_match(k):
    """Props. B.3 and B.4: at r(z_<k | y), which is p(z_<k | y) where q = p(z | x)."""
    toy = model(0, ROWS)
    exact = toy.given(toy.first(2), toy.pixels)
    best = toy.given(toy.first(k), toy.pixels, toy.matrix)
    value, slope = jax.value_and_grad(lambda e: criterion(toy, k, exact, e))(best)
    for part in slope:
        np.testing.assert_allclose(part, 0, atol=1e-8)
    rng = np.random.default_rng(0)
    for size in (0.01, 0.3):
        near = [part + size * rng.normal(size=part.shape) for part in best[:2]]
        other = (*near, best[2] * (1 + size))
        assert criterion(toy, k, exact, other) > value


@pytest.mark.slow
@pytest.mark.parametrize("worse", [False, True])
def test_the_bound_on_the_conditional_likelihood(worse):
    """Prop. 6.1: E E_q log p(x | z_<k) - (6.12) is at most E log p_SR(x | y).

    The gap stays with the exact encoders: the integral of p(z_<k | y) p(x | z_<k) is
    not p(x | y) but for k = L, since x is drawn as if y were not known any more.
    """
    k, toy = 1, model(0, ROWS)
    q = toy.given(toy.first(2), toy.pixels)
    gain, offset, left = toy.given(toy.first(k), toy.pixels, toy.matrix)
    encoder = gain, offset + 0.5 * worse, left * (1 + worse)
    lift, shift, spread = toy.given(toy.pixels, toy.first(k))
    centre, covariance = data(toy)
    own = np.arange(len(toy.first(k)))

    def reconstruction(x):
        mean, about = (q[0] @ x + q[1])[own], q[2][np.ix_(own, own)]
        return expected(lambda z: log_prob(x, lift @ z + shift, spread), mean, about)

    def conditional(x):
        mean = encoder[0] @ (toy.matrix @ x) + encoder[1]
        seen = lift @ mean + shift
        return log_prob(x, seen, lift @ encoder[2] @ lift.T + spread)

    bound = expected(reconstruction, centre, covariance)
    bound -= criterion(toy, k, q, encoder)
    likelihood = expected(conditional, centre, covariance)
    assert likelihood > bound + 1e-3


def spread_of(toy, k):
    """Cov(H x | z_<k)."""
    return toy.matrix @ toy.given(toy.pixels, toy.first(k))[2] @ toy.matrix.T


@pytest.mark.parametrize("k", [0, 1, 2])
def test_consistency_error_is_distributed_as_unpredictability(k):
    """Props. 6.2, B.5: H x' - y ~ N(0, 2 Cov(H x | z_<k)), as H x - H x' of U_k^s.

    x' from p(x | z_<k) with z_<k from p(z_<k | y), or from p(z_<k | x), y = H x.
    """
    toy = model(0, ROWS)
    lift, shift, spread = toy.given(toy.pixels, toy.first(k))
    centre, covariance = data(toy)
    seen = toy.matrix @ covariance @ toy.matrix.T
    for by_image in (False, True):
        if by_image:
            gain, offset, left = toy.given(toy.first(k), toy.pixels)
            cross, own = gain @ covariance @ toy.matrix.T, gain @ covariance @ gain.T
            mean = gain @ centre + offset
        else:
            gain, offset, left = toy.given(toy.first(k), toy.pixels, toy.matrix)
            cross, own = gain @ seen, gain @ seen @ gain.T
            mean = gain @ toy.matrix @ centre + offset
        small = toy.matrix @ lift
        drawn = small @ (own + left) @ small.T + toy.matrix @ spread @ toy.matrix.T
        both = small @ cross
        gap = drawn + seen - both - both.T
        np.testing.assert_allclose(gap, 2 * spread_of(toy, k), atol=1e-12)
        middle = toy.matrix @ (lift @ mean + shift - centre)
        np.testing.assert_allclose(middle, 0, atol=1e-12)


def test_what_is_drawn_has_the_closed_form():
    """U_k, CE(k) and (B.5) with one small pixel: 255 * 2 std(H x | z_<k) / sqrt(pi)."""
    toy = model(0, ONE)
    matrix = Matrix(jnp.asarray(ONE), toy.shape)

    def operator(x):
        return matrix(x).reshape(1, 1, 1)

    encoder, count = Encoder(toy, operator), 400
    exact = [255 * 2 * np.sqrt(spread_of(toy, k)[0, 0] / np.pi) for k in range(3)]
    assert exact[2] > 1, "no k has U = 0: the decoder's noise is left"

    @jax.jit
    @jax.vmap
    def measured(key):
        data_key, *keys = jax.random.split(key, 4)
        x = toy._sample(data_key, *data(toy)).reshape(toy.shape)
        return jnp.stack(
            [
                consistency.unpredictability(toy, [operator], keys[0])[0],
                consistency.consistency_error(toy, encoder, x, keys[1]),
                consistency.reconstruction_error(toy, operator, x, keys[2]),
            ]
        )

    found = measured(jax.random.split(jax.random.key(0), count))
    error = found.std(0) / np.sqrt(count)
    assert (np.abs(found.mean(0) - np.array(exact)) < 4 * error).all()
    assert (error < 0.1 * np.array(exact)).all()
