"""Ratios of the reconstruction: a known one, the command, the flags."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.experiments import contraction
from jaxrestore.experiments.contraction import ratios
from tests.oracles.affine_hierarchy import as_arrays, random_hierarchy

pytestmark = pytest.mark.slow


def test_ratios_of_an_affine_map_are_those_of_its_matrix():
    prior = as_arrays(random_hierarchy(0, gain=0.6))
    pairs = jax.random.uniform(jax.random.key(1), (3, 2, 4, 4, 1))

    def reconstruct(x):
        return prior.reconstruct(x.reshape(4, 4, 1), 0.8).mean.ravel()

    matrix = np.asarray(jax.jit(jax.jacobian(reconstruct))(jnp.zeros(16)))
    apart = np.asarray(pairs[:, 0] - pairs[:, 1]).reshape(3, 16)
    expected = np.linalg.norm(apart @ matrix.T, axis=1) / np.linalg.norm(apart, axis=1)
    np.testing.assert_allclose(ratios(prior, pairs, 0.8), expected, rtol=1e-4)


def test_command(experiment):
    rows = experiment("contraction")
    assert len(rows) == 3 * 3 * 4
    assert all(float(row["ratio"]) > 0 for row in rows)


def test_pairs_of_one_image_leave_noise_0_out(experiment):
    rows = experiment("contraction", "--pairs=same", "--temperatures=0.8")
    assert {row["noise"] for row in rows} == {"25", "50"}


def test_the_encoder_is_told_what_the_solver_tells_it():
    config = contraction.Config(tell="solver", observed=12.75 / 255)
    assert contraction._heard(config, 0.3) == pytest.approx(14 / 255)
    faces = contraction.Config(tell="solver", prior="vdvae-faces64")
    assert contraction._heard(faces, 0.3) is None
    assert contraction._heard(contraction.Config(tell="input"), 0.3) == 0.3
