"""Samples: consistent with y, one program for all, clear about what cannot be."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.metrics import lr_psnr
from jaxrestore.operators import Downsample
from jaxrestore.operators.kernels import gaussian as gaussian_kernel
from jaxrestore.priors import VDVAE
from jaxrestore.solvers import DiverseSR, Status, sample
from tests.priors.random_weights import random_prior
from tests.priors.test_lowres import SMALL, make_encoder
from tests.solvers.problems import gaussian

KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def prior():
    return random_prior(VDVAE, SMALL)


@pytest.fixture(scope="module")
def encoder(prior):
    return make_encoder(prior)


@pytest.fixture(scope="module")
def seen(encoder):
    y = jax.random.uniform(jax.random.key(0), (4, 4, 1))
    return gaussian(y, encoder.config.operator(), 0.01)


@pytest.mark.slow
def test_samples_are_consistent_and_differ(prior, encoder, seen):
    after = sample(DiverseSR(prior, encoder), seen, key=KEY, n_samples=3)
    before = DiverseSR(prior, encoder, project=False)
    before = sample(before, seen, key=KEY, n_samples=3)
    assert after.samples.shape == before.samples.shape == (3, 8, 8, 1)
    for x, raw in zip(after.samples, before.samples, strict=True):
        scores = (lr_psnr(image, seen.y, seen.operator) for image in (x, raw))
        assert next(scores) > 100 > next(scores)
    np.testing.assert_allclose(after.mean, after.samples.mean(0), atol=1e-6)
    np.testing.assert_allclose(after.std, after.samples.std(0), atol=1e-6)
    assert after.std.max() > 1e-3
    assert (int(after.status), int(after.count)) == (Status.DRAWN, 3)


@pytest.mark.slow
def test_chains_change_nothing(prior, encoder, seen):
    method = DiverseSR(prior, encoder)
    one = sample(method, seen, key=KEY, n_samples=5, chains=1)
    more = sample(method, seen, key=KEY, n_samples=5, chains=4)
    np.testing.assert_allclose(one.samples, more.samples, atol=1e-5)


def test_another_operator(prior, encoder, seen):
    operator = Downsample(jnp.asarray(gaussian_kernel(5, 1.0)), 2)
    other = gaussian(seen.y, operator, 0.01)
    result = sample(DiverseSR(prior, encoder), other, key=KEY, n_samples=2)
    assert lr_psnr(result.samples[0], seen.y, operator) > 100


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n_samples": 0}, "n_samples=0: expected a whole number from 1 on"),
        ({"n_samples": 2.5}, "n_samples=2.5"),
        ({"n_samples": 10**9}, r"n_samples=1000000000: .*about \d+ fit"),
        ({"groups": 9}, "groups=9"),
        ({"y": jnp.zeros((3, 4, 1))}, r"operator: reduces images of 6x8"),
        ({"operator": Downsample.bicubic(3)}, "operator: reduces images of 12x12"),
        ({"temperature": [0.5, 0.5]}, "temperature has shape"),
        ({"temperature": -1.0}, "temperature=-1.0"),
    ],
)
def test_mistakes(prior, encoder, seen, change, message):
    arguments = {"n_samples": 1, "y": seen.y, "operator": seen.operator} | change
    n, y, operator = (arguments.pop(k) for k in ("n_samples", "y", "operator"))
    with pytest.raises(InputError, match=message):
        method = DiverseSR(prior, encoder, **arguments)
        sample(method, gaussian(y, operator, 0.01), key=KEY, n_samples=n)


def test_another_prior(encoder, seen):
    other = random_prior(VDVAE, replace(SMALL, width=4))
    with pytest.raises(InputError, match="trained for another prior"):
        sample(DiverseSR(other, encoder), seen, key=KEY, n_samples=1)
