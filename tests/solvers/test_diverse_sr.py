"""Samples: consistent with y, one program for all, clear about what cannot be."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.metrics import lr_psnr
from jaxrestore.operators import Downsample
from jaxrestore.operators.kernels import gaussian
from jaxrestore.priors import VDVAE
from jaxrestore.solvers import diverse_sr
from tests.priors.random_weights import random_prior
from tests.priors.test_lowres import SMALL, make_encoder


@pytest.fixture(scope="module")
def prior():
    return random_prior(VDVAE, SMALL)


@pytest.fixture(scope="module")
def encoder(prior):
    return make_encoder(prior)


@pytest.fixture(scope="module")
def y():
    return jax.random.uniform(jax.random.key(0), (4, 4, 1))


draw = jax.jit(diverse_sr, static_argnames=("n_samples", "chunk"))


def test_samples_are_consistent_and_differ(prior, encoder, y):
    result = draw(prior, encoder, y, jax.random.key(1), n_samples=3)
    assert result.samples.shape == result.unprojected.shape == (3, 8, 8, 1)
    operator = encoder.config.operator()
    for sample, before in zip(*result, strict=True):
        assert lr_psnr(sample, y, operator) > 100 > lr_psnr(before, y, operator)
    assert np.std(result.samples, axis=0).max() > 1e-3


def test_chunks_change_nothing(prior, encoder, y):
    one = draw(prior, encoder, y, jax.random.key(1), n_samples=5, chunk=1)
    more = draw(prior, encoder, y, jax.random.key(1), n_samples=5, chunk=4)
    np.testing.assert_allclose(one.samples, more.samples, atol=1e-5)


def test_another_operator(prior, encoder, y):
    operator = Downsample(jnp.asarray(gaussian(5, 1.0)), 2)
    key = jax.random.key(1)
    result = draw(prior, encoder, y, key, n_samples=2, operator=operator)
    assert lr_psnr(result.samples[0], y, operator) > 100
    usual = draw(prior, encoder, y, key, n_samples=2)
    np.testing.assert_allclose(result.unprojected, usual.unprojected, atol=1e-6)


def test_prior_temperature_follows_unless_given(prior, encoder, y):
    key = jax.random.key(2)
    usual = draw(prior, encoder, y, key, 1, 0.5)
    same = draw(prior, encoder, y, key, 1, 0.5, 0.5)
    other = draw(prior, encoder, y, key, 1, 0.5, 1.0)
    np.testing.assert_array_equal(usual.samples, same.samples)
    assert not np.allclose(usual.samples, other.samples)


def test_a_second_encoder_compiles_nothing(prior, y):
    encoders = make_encoder(prior, 1), make_encoder(prior, 2)
    program = jax.jit(lambda *arguments: diverse_sr(*arguments, n_samples=2))
    for encoder in encoders:
        program(prior, encoder, y, jax.random.key(0))
    assert program._cache_size() == 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n_samples": 0}, "n_samples=0: expected a whole number from 1 on"),
        ({"n_samples": 2.0}, "n_samples=2.0"),
        ({"n_samples": 10**12}, r"n_samples=1000000000000: .*about \d+ fit"),
        ({"groups": 9}, "groups=9"),
        ({"y": jnp.zeros((3, 4, 1))}, r"y: shape \(3, 4, 1\)"),
        ({"operator": Downsample.bicubic(3)}, "operator: reduces images of 12x12"),
        ({"temperature": [0.5, 0.5]}, "temperature has shape"),
        ({"temperature": -1.0}, "temperature is -1.0"),
    ],
)
def test_mistakes(prior, encoder, y, change, message):
    arguments = {"y": y, "key": jax.random.key(0), "n_samples": 1} | change
    with pytest.raises(InputError, match=message):
        diverse_sr(prior, encoder, **arguments)


def test_another_prior(encoder, y):
    other = random_prior(VDVAE, replace(SMALL, width=4))
    with pytest.raises(InputError, match="trained for another prior"):
        diverse_sr(other, encoder, y, jax.random.key(0), 1)
