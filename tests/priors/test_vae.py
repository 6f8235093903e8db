"""The plain VAE: sizes, its bound against the formulas, temperature, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.parameters import flatten
from jaxrestore.priors import VAE, VAEConfig
from jaxrestore.priors.hvae.gaussian import Gaussian
from tests.priors.random_weights import random_prior

TINY = VAEConfig(image_size=8, widths=(4, 6), latent_dim=3)


@pytest.fixture(scope="module")
def prior():
    return random_prior(VAE, TINY)


@pytest.fixture(scope="module")
def image():
    return jax.random.uniform(jax.random.key(1), (8, 8, 1))


def posterior(prior, image) -> Gaussian:
    """q(z | x), from its two tempered modes: the mean, and one that shows the std."""
    mean = prior.reconstruct(image, 1.0).latents[0]
    half = prior.reconstruct(image, 0.5**0.5).latents[0]  # mean / (1 + std^2)
    return Gaussian(mean, jnp.sqrt(mean / half - 1))


def test_bundled_size():
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    params = jax.eval_shape(lambda k: VAE.create(VAEConfig(), k), key).params
    assert sum(leaf.size for leaf in flatten(params).values()) == 1_873_349


def test_bound_is_its_formula(prior, image):
    q, key = posterior(prior, image), jax.random.key(3)
    terms = prior.elbo(image, key)
    kl = 0.5 * jnp.sum(q.std**2 + q.mean**2 - 2 * jnp.log(q.std) - 1)
    np.testing.assert_allclose(terms.kl, [kl], rtol=1e-3)
    mean, std = prior.decode(prior.encode(image, key), (8, 8))
    np.testing.assert_allclose(terms.decoder.mean, mean, rtol=1e-5)
    assert np.ptp(std) == 0 and 0 < np.min(mean) < np.max(mean) < 1
    density = jnp.sum(
        ((image - mean) / std) ** 2 / 2 + jnp.log(std) + np.log(2 * np.pi) / 2
    )
    np.testing.assert_allclose(terms.nats_per_dim * 64, density + kl, rtol=1e-3)
    bits = (terms.nats_per_dim + np.log(256)) / np.log(2)
    np.testing.assert_allclose(terms.bits_per_dim, bits, rtol=1e-5)


def test_temperature_is_the_closed_form(prior, image):
    """z = (S_q^-1 + (1/tau^2 - 1) I)^-1 S_q^-1 mean."""
    q, tau = posterior(prior, image), 0.7
    expected = q.mean / q.std**2 / (1 / q.std**2 + 1 / tau**2 - 1)
    z = prior.reconstruct(image, tau).latents[0]
    np.testing.assert_allclose(z, expected, rtol=1e-3)


def test_posterior_samples_have_its_moments(prior, image):
    q = posterior(prior, image)
    keys = jax.random.split(jax.random.key(4), 4000)
    z = jax.jit(jax.vmap(lambda k: prior.encode(image, k)[0]))(keys)
    np.testing.assert_allclose(z.mean(0), q.mean, atol=0.1)
    np.testing.assert_allclose(z.std(0), q.std, rtol=0.1)


def test_bad_input(prior):
    for settings, message in (
        ({"image_size": 10, "widths": (4, 4)}, "image_size=10.*multiple of 4"),
        ({"widths": ()}, "model.widths"),
        ({"latent_dim": 0}, "model.latent_dim=0"),
        ({"image_channels": 2}, "model.image_channels=2"),
        ({"initial_std": 0.0}, "model.initial_std"),
    ):
        with pytest.raises(InputError, match=message):
            VAEConfig(**settings)
    with pytest.raises(InputError, match="8 x 8 alone"):
        prior.reconstruct(jnp.zeros((9, 8, 1)), 1.0)
