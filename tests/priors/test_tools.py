"""Chapter 4's tools on both hierarchical VAEs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.priors import VDVAE, PatchVDVAE, PatchVDVAEConfig, VDVAEConfig
from tests.priors.random_weights import random_prior

PATCH = PatchVDVAEConfig(
    strides=(1, 2),
    groups=(1, 2),
    cells=(1, 1),
    top_down_filters=(8, 8),
    bottom_up_filters=(8, 8),
    kernel_sizes=(3, 3),
    latent_channels=2,
    skip_filters=4,
)
GREY = VDVAEConfig(
    image_size=8,
    image_channels=1,
    width=8,
    zdim=2,
    num_mixtures=2,
    enc_blocks="8x1,8d2,4x1,4d4,1x1",
    dec_blocks="1x1,4m1,8m4",
)


@pytest.fixture(scope="module", params=["patch_vdvae", "vdvae"])
def prior(request):
    kind, config = {"patch_vdvae": (PatchVDVAE, PATCH), "vdvae": (VDVAE, GREY)}[
        request.param
    ]
    return random_prior(kind, config)


@pytest.fixture(scope="module")
def image(prior):
    return jax.random.uniform(jax.random.key(2), (8, 8, prior.config.image_channels))


def test_log_prior_is_what_reconstruction_reports(prior, image):
    result = prior.reconstruct(image, 0.8)
    np.testing.assert_allclose(
        prior.at(result.latents, (8, 8)).log_prior, result.log_prior, rtol=1e-5
    )


@pytest.mark.slow
def test_conditional_keeps_what_is_given(prior, image):
    draw = jax.jit(prior.conditional, static_argnums=2)
    keys = jax.random.split(jax.random.key(3), 2)
    latents = prior.encode(image, jax.random.key(4))
    np.testing.assert_allclose(
        draw(latents, keys[0], (8, 8)), prior.decode(latents, (8, 8))[0], atol=1e-5
    )
    np.testing.assert_allclose(
        draw((), keys[0], (8, 8), 0.7), prior.sample(keys[0], (8, 8), 0.7), atol=1e-5
    )
    one, other = (draw(latents[:1], key, (8, 8)) for key in keys)
    assert not np.allclose(one, other)
    with pytest.raises(InputError, match="latents.*expected 0 to"):
        prior.conditional((*latents, latents[0]), keys[0], (8, 8))


@pytest.mark.slow
def test_interpolation_moves_from_one_to_the_other(prior, image):
    other, key = 1 - image, jax.random.key(5)
    path = prior.interpolate(image, other, key, prior.num_groups, 3)
    assert path.shape == (3, *image.shape) and np.isfinite(path).all()
    first_key, second_key, _ = jax.random.split(key, 3)
    ends = prior.encode(image, first_key), prior.encode(other, second_key)
    middle = jax.tree.map(lambda a, b: 0.5 * a + 0.5 * b, *ends)
    np.testing.assert_allclose(path[1], prior.decode(middle, (8, 8))[0], atol=1e-5)
    free = prior.interpolate(image, other, key, 0, 2)  # nothing kept: one draw
    np.testing.assert_allclose(free[0], free[1], atol=1e-6)


@pytest.mark.slow
def test_importance_bound_tightens_from_the_elbo(prior, image):
    keys = jax.random.split(jax.random.key(6), 200)
    elbo = -jax.jit(jax.vmap(lambda k: prior.elbo(image, k).nats_per_dim))(keys)
    bound = jax.jit(
        jax.vmap(lambda k, n: prior.importance_bound(image, k, n), (0, None)),
        static_argnums=1,
    )
    single, many = bound(keys, 1), bound(keys[:50], 16)
    error = float(jnp.std(single) + jnp.std(elbo)) / len(keys) ** 0.5
    assert abs(float(single.mean() - elbo.mean())) < 4 * error
    assert float(many.mean()) > float(single.mean())
