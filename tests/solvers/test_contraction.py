"""The bound of Corollary 1 against dense matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Blur, Mask
from jaxrestore.solvers import PnPHVAE
from jaxrestore.solvers.contraction import contraction
from tests.oracles.affine_hierarchy import as_arrays, random_hierarchy
from tests.solvers.problems import KERNEL, gaussian, run

SHAPE, SIGMA, GAMMA, TAU = (4, 4, 1), 0.1, 0.25, 0.8


def measured(operator, **settings):
    prior = as_arrays(random_hierarchy(0, SHAPE, gain=0.2))
    image = jnp.asarray(np.random.default_rng(3).uniform(size=SHAPE), jnp.float32)
    seen = gaussian(operator(image), operator, jnp.float32(SIGMA))
    method = PnPHVAE(prior, temperature=TAU, **{"decoder_std": GAMMA} | settings)
    return prior, seen, method, contraction(method, seen, image, jax.random.key(0), 60)


def matrix_of(function):
    return np.asarray(jax.jacobian(function)(jnp.full(SHAPE, 0.5))).reshape(16, 16)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["blur", "mask"])
def test_norms_are_those_of_the_matrices(name):
    seen = np.random.default_rng(1).uniform(size=SHAPE) > 0.5
    operators = {"blur": Blur(jnp.asarray(KERNEL)), "mask": Mask(jnp.asarray(seen))}
    prior, observation, _, found = measured(operators[name])
    hvae = matrix_of(lambda x: prior.reconstruct(x, TAU).mean)
    matrix = matrix_of(observation.operator)
    smallest = np.linalg.eigvalsh(matrix.T @ matrix)[0]
    data = SIGMA**2 / (GAMMA**2 * smallest + SIGMA**2)
    lipschitz = np.linalg.norm(hvae, 2)
    np.testing.assert_allclose(found.reconstruction, lipschitz, rtol=1e-3)
    np.testing.assert_allclose(found.data, data, rtol=2e-2)
    np.testing.assert_allclose(found.bound, lipschitz * data, rtol=2e-2)
    step = matrix_of(
        lambda x: observation.prox(prior.reconstruct(x, TAU).mean, GAMMA**2)
    )
    np.testing.assert_allclose(found.step, np.linalg.norm(step, 2), rtol=1e-2)
    assert name != "mask" or found.data == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_the_gap_is_that_of_a_fixed_point():
    prior, observation, method, found = measured(Blur(jnp.asarray(KERNEL)))
    assert found.gap > 1e-2
    settings = {"temperature": TAU, "decoder_std": GAMMA, "tolerance": 1e-7}
    end = run(PnPHVAE, prior, observation, max_steps=300, **settings).image
    assert contraction(method, observation, end, jax.random.key(0)).gap < 1e-5


def test_a_predicted_deviation_is_refused():
    with pytest.raises(InputError, match="decoder_std=None"):
        measured(Mask(jnp.ones(SHAPE)), decoder_std=None)
