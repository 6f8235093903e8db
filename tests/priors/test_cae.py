"""Compressive autoencoders: layers, densities, and what they are as a VAE."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxrestore.errors import InputError
from jaxrestore.nets.bounds import lower_bound, upper_bound
from jaxrestore.nets.gdn import GDN
from jaxrestore.nets.strided import double, halve
from jaxrestore.priors import CAE, CAEConfig
from jaxrestore.priors.cae import density
from jaxrestore.priors.cae.config import published
from jaxrestore.priors.cae.density import Boxed
from jaxrestore.training.recipes.cae import rate_distortion
from tests.priors.random_weights import random_prior

LAYOUT = ("NHWC", "HWIO", "NHWC")
RATES = (0.01, 0.02, 0.08)
KEY = jax.random.key(0)


def tiny(kind="mean", **more):
    latents = 6 if kind.startswith("cheng") else 5
    config = CAEConfig(kind, 6, latents, **({"rates": RATES} | more))
    return random_prior(CAE, config)


def image(height=70, width=41):
    return jax.random.uniform(jax.random.key(1), (height, width, 3))


@pytest.mark.parametrize("size", [3, 5])
def test_halving_is_a_convolution_of_stride_two(size):
    x = jax.random.normal(KEY, (6, 8, 3))
    kernel = jax.random.normal(KEY, (size, size, 3, 4))
    sides = [(size // 2, size // 2)] * 2
    expected = lax.conv_general_dilated(
        x[None], kernel, (2, 2), sides, dimension_numbers=LAYOUT
    )[0]
    np.testing.assert_allclose(halve(x, kernel), expected, atol=2e-5)


def test_doubling_is_the_adjoint_of_halving():
    x = jax.random.normal(KEY, (4, 6, 3))
    kernel = jax.random.normal(KEY, (5, 5, 3, 4))
    for_halving = kernel.swapaxes(2, 3)
    like = jnp.zeros((8, 12, 4))
    (expected,) = jax.vjp(lambda y: halve(y, for_halving), like)[1](x)
    np.testing.assert_allclose(double(x, kernel), expected, atol=2e-5)


def test_gradients_pass_a_bound_that_they_lead_back_over():
    x, slopes = jnp.array([0.0, 0.0, 2.0, 2.0]), jnp.array([1.0, -1.0, 1.0, -1.0])
    low, pull = jax.vjp(lambda x: lower_bound(x, 1.0), x)
    np.testing.assert_array_equal(low, [1, 1, 2, 2])
    np.testing.assert_array_equal(pull(slopes)[0], [0, -1, 1, -1])
    high, pull = jax.vjp(lambda x: upper_bound(x, 1.0), x)
    np.testing.assert_array_equal(high, [0, 0, 1, 1])
    np.testing.assert_array_equal(pull(slopes)[0], [1, -1, 1, 0])


def test_inverse_normalisation_undoes_it_where_channels_do_not_mix():
    x = 2 * jax.random.normal(KEY, (3, 4, 2))
    params = {"beta": jnp.full(2, 1.5), "gamma": jnp.zeros((2, 2))}
    there = GDN().apply({"params": params}, x)
    assert not np.allclose(there, x)
    np.testing.assert_allclose(GDN(True).apply({"params": params}, there), x, 1e-5)


def test_densities_integrate_to_one():
    grid = jnp.linspace(-800, 800, 32001)
    step = float(grid[1] - grid[0])
    boxed = Boxed(jnp.array([0.3, -1.0]), jnp.array([0.01, 4.0]))
    for mass in (
        boxed.mass(grid[:, None]),
        density.mass(
            density.init(2, KEY), jnp.broadcast_to(grid[:, None], (len(grid), 2))
        ),
    ):
        np.testing.assert_allclose(mass.sum(0) * step, 1.0, atol=2e-3)


@pytest.mark.slow
def test_draws_of_h_have_its_distribution():
    params = density.init(1, KEY)
    draws = jax.jit(lambda p: density.sample(p, KEY, (4000, 1)))(params)[:, 0]
    grid = jnp.linspace(-60, 60, 6001)
    mass = density.mass(params, grid[:, None])[:, 0] * (grid[1] - grid[0])
    std = jnp.sqrt(jnp.sum(mass * grid**2) - jnp.sum(mass * grid) ** 2)
    np.testing.assert_allclose(draws.mean(), jnp.sum(mass * grid), atol=0.1 * std)
    np.testing.assert_allclose(draws.std(), std, rtol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["scale", "mean", "context", "cheng_attn"])
def test_images_of_any_size(kind):
    prior, x = tiny(kind), image()

    @jax.jit
    def use(prior, x):
        latents = prior.encode(x)
        found = prior.at(latents, x.shape[:2])
        return latents, found, prior.code(x), prior.bits_per_pixel(x)

    (h, z), found, code, bpp = use(prior, x)
    assert h.shape == (2, 1, prior.config.width)
    assert z.shape == (8, 4, prior.config.latents)
    assert found.mean.shape == found.std.shape == x.shape
    np.testing.assert_allclose(bpp, code.bits.sum() / (70 * 41), rtol=1e-5)
    drawn = jax.jit(prior.sample, static_argnums=1)(KEY, (20, 30))
    assert drawn.shape == (20, 30, 3) and np.isfinite(drawn).all()


def test_the_walk_of_a_context_is_the_density_that_is_counted():
    prior = tiny("context")
    mean = jax.jit(prior.prior_mean, static_argnums=0)((64, 64))
    h, z = mean.latents
    np.testing.assert_allclose(jax.jit(prior.conditional)(h, z).mean, z, atol=1e-5)
    assert np.abs(np.diff(z, axis=0)).max() > 1e-3  # and not the same everywhere


@pytest.mark.parametrize("rate", [0.04])
def test_the_loss_is_the_bound_of_a_vae(rate):
    prior, x = tiny().at_rate(rate), image(64, 64)
    noise = prior.noise(KEY, (64, 64))
    noise = (*noise[:2], noise[1])

    @jax.jit
    def both(prior):
        h, z = prior.encode(x)
        found = prior.at((h + noise[0], z + noise[1]), (64, 64))
        return rate_distortion(x, prior.code(x, noise), rate)[0], found

    loss, found = both(prior)
    gaussian = 0.5 * jnp.square((x - found.mean) / found.std)
    nats = jnp.sum(gaussian + jnp.log(found.std) + 0.5 * math.log(2 * math.pi))
    constant = jnp.sum(jnp.log(found.std) + 0.5 * math.log(2 * math.pi))
    bound = nats - found.log_prior.sum()  # q is uniform on unit boxes: entropy 0
    expected = math.log(2) * 64 * 64 * loss + constant
    np.testing.assert_allclose(bound, expected, rtol=1e-4)


def test_published_deviations():
    config = CAEConfig()
    for rate, gamma in {0.0035: 0.0975, 0.0483: 0.0262, 0.18: 0.0136}.items():
        np.testing.assert_allclose(config.gamma(rate), gamma, atol=1e-4)


def test_rates_lie_between_the_trained_ones():
    prior = tiny()
    for rate, table in zip(RATES, prior.params["gains"]["encoder"], strict=True):
        np.testing.assert_allclose(
            prior.at_rate(rate)._gain("encoder"), jnp.exp(table), rtol=1e-4
        )
    middle = prior.at_rate(0.04)._gain("encoder")
    both = jnp.exp(prior.params["gains"]["encoder"][1:].mean(0))
    np.testing.assert_allclose(middle, both, rtol=1e-4)
    with pytest.raises(InputError, match="rate=0.5: expected from 0.01 to 0.08"):
        prior.at_rate(0.5)


def test_a_second_decoder_gives_the_deviation():
    prior = tiny(deviation=True)
    found = jax.jit(lambda x: prior.at(prior.encode(x), (70, 41)))(image())
    assert found.std.shape == (70, 41, 3) and float(found.std.std()) > 0


def test_unusable_configurations_and_images():
    with pytest.raises(InputError, match="model.rates=.*expected rising"):
        CAEConfig(rates=(0.1, 0.01))
    with pytest.raises(InputError, match="model.latents=5: expected model.width=6"):
        CAEConfig("cheng_attn", 6, 5)
    with pytest.raises(InputError, match="image has 1 channels"):
        tiny().encode(image()[..., :1])


def test_published_networks_have_their_sizes():
    networks = published()
    assert len(networks) == 36
    large = networks["mbt2018-mean-8"]
    assert (large.width, large.latents, large.rates) == (192, 320, (0.18,))
