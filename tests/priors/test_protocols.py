"""What solvers may ask of a prior: protocols, the prior's mean, single precision."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.priors import (
    VAE,
    VDVAE,
    Critic,
    CriticConfig,
    Decodes,
    Density,
    PatchVDVAE,
    Reconstructs,
    SmoothedTV,
)
from tests.oracles.affine_hierarchy import as_arrays, random_hierarchy
from tests.priors.random_weights import random_prior
from tests.priors.test_tools import GREY, PATCH
from tests.priors.test_vae import TINY

KINDS = {"patch_vdvae": (PatchVDVAE, PATCH), "vdvae": (VDVAE, GREY), "vae": (VAE, TINY)}


@pytest.fixture(scope="module", params=[*KINDS, "affine"])
def prior(request):
    if request.param == "affine":
        return as_arrays(random_hierarchy(0, (8, 8, 1)))
    return random_prior(*KINDS[request.param])


def test_protocols(prior):
    assert isinstance(prior, Reconstructs) and isinstance(prior, Decodes)
    assert not isinstance(prior, Density)
    critic = Critic.create(CriticConfig(widths=(2,)), jax.random.key(0))
    for energy in (critic, SmoothedTV()):
        assert isinstance(energy, Density)
        assert not isinstance(energy, (Decodes, Reconstructs))


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_prior_mean_needs_no_encoder(name):
    prior = random_prior(*KINDS[name])
    decoder = replace(prior, params={"top_down": prior.params["top_down"]})
    assert np.isfinite(decoder.prior_mean((8, 8)).mean).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_single_precision_where_double_is_to_be_had(name):
    kind, config = KINDS[name]
    with jax.enable_x64(True):
        prior, key = kind.create(config, jax.random.key(0)), jax.random.key(1)
        image = jnp.full((8, 8, config.image_channels), 0.5, jnp.float64)
        found = jax.eval_shape(
            lambda p: (
                p,
                p.reconstruct(image, 0.8),
                p.prior_mean((8, 8)),
                p.sample(key, (8, 8)),
                p.conditional(p.encode(image, key)[:1], key, (8, 8)),
                p.elbo(image, key),
            ),
            prior,
        )
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype("float32")}


def test_critic_in_single_precision_where_double_is_to_be_had():
    with jax.enable_x64(True):
        critic = Critic.create(CriticConfig(widths=(2,)), jax.random.key(0))
        image = jnp.full((9, 9, 3), 0.5, jnp.float64)
        value, slope = critic(image), critic.gradient(image)
    assert {leaf.dtype for leaf in jax.tree.leaves(critic)} == {np.dtype("float32")}
    assert value.dtype == np.float32 and slope.dtype == np.float64


@pytest.mark.parametrize(("kind", "width"), [(VAE, 1), (PatchVDVAE, 2)])
def test_uniform_pixels_cost_eight_bits(kind, width):
    """A density of 1 / width on the range of a network, dequantised 8-bit pixels."""
    assert (np.log(width) + kind.log_bins) / np.log(2) == pytest.approx(8, abs=1e-12)
