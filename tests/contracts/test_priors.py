"""Laws that every prior of the registry obeys."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.priors import (
    CAE,
    VAE,
    VDVAE,
    CAEConfig,
    ConvVAE,
    ConvVAEConfig,
    Critic,
    CriticConfig,
    Decodes,
    Density,
    Glow,
    GlowConfig,
    GradientStep,
    GradientStepConfig,
    PatchVDVAE,
    Reconstructs,
    SmoothedTV,
    VAEConfig,
    load_prior,
    save_prior,
)
from jaxrestore.priors.registry import ARCHITECTURES
from jaxrestore.solvers.vble import encoded
from tests.contracts.cases import rows
from tests.priors.random_weights import random_glow, random_prior
from tests.priors.test_lowres import make_encoder
from tests.priors.test_tools import GREY, PATCH

TINY = VAEConfig(image_size=8, widths=(4, 6), latent_dim=3, initial_std=0.1)
HIERARCHIES = {"patch_vdvae": (PatchVDVAE, PATCH), "vdvae": (VDVAE, GREY)}
HIERARCHIES["vae"] = VAE, TINY
DECODERS = {
    "cae": (CAE, CAEConfig("mean", 4, 3, rates=(0.01, 0.1))),
    "conv_vae": (ConvVAE, ConvVAEConfig("conv", 4, 3)),
}
FLOW = GlowConfig(image_size=8, image_channels=1, steps=(2, 2), widths=(4, 6))
DENSITIES = ("alr", "alr_quadratic", "gradient_step", "smoothed_tv", "glow")
SHAPE, TAU = (8, 8), 0.7

each_hierarchy = pytest.mark.parametrize("name", HIERARCHIES)
each_density = pytest.mark.parametrize("name", rows(DENSITIES, ["glow"]))


@functools.cache
def build(name, seed=0):
    if name == "alr":
        return Critic.create(CriticConfig((4, 3)), jax.random.key(seed))
    if name == "alr_quadratic":
        config = CriticConfig((4, 3), growth="quadratic")
        return Critic.create(config, jax.random.key(seed))
    if name == "gradient_step":
        return GradientStep.create(GradientStepConfig((4, 3)), jax.random.key(seed))
    if name == "smoothed_tv":
        return SmoothedTV(0.02 + 0.01 * seed)
    if name == "glow":
        return random_glow(FLOW, seed)
    if name == "lowres_encoder":
        return make_encoder(random_prior(VDVAE, GREY), factor=2)
    if name in DECODERS:
        kind, config = DECODERS[name]
        if kind is CAE:
            return random_prior(kind, config, seed)
        return kind.create(config, jax.random.key(seed))  # variances are positive
    return random_prior(*HIERARCHIES[name], seed)


def image_for(prior, seed=2):
    channels = getattr(getattr(prior, "config", None), "image_channels", 3)
    return jax.random.uniform(jax.random.key(seed), (*SHAPE, channels))


def test_the_registry_is_covered():
    others = {"alr", "glow", "gradient_step", "lowres_encoder"}
    assert set(ARCHITECTURES) == {*HIERARCHIES, *DECODERS, *others}


@each_hierarchy
def test_what_a_hierarchy_can_do(name):
    prior = build(name)
    assert isinstance(prior, Reconstructs) and isinstance(prior, Decodes)
    assert not isinstance(prior, Density)


@each_hierarchy
def test_cold_is_the_mean_of_the_prior(name):
    prior = build(name)
    cold = jax.jit(prior.reconstruct)(image_for(prior), 0.0)
    mean = jax.jit(prior.prior_mean, static_argnums=0)(SHAPE)
    for one, other in zip(cold.latents, mean.latents, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(cold.mean, mean.mean, atol=1e-5)


@each_hierarchy
def test_a_reconstruction_is_what_its_latents_decode_to(name):
    prior = build(name)
    result = jax.jit(prior.reconstruct)(image_for(prior), TAU)
    again = jax.jit(prior.at, static_argnums=1)(result.latents, SHAPE)
    for one, other in zip(jax.tree.leaves(result), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert result.mean.min() >= 0 and result.mean.max() <= 1
    assert (result.std > 0).all()
    assert result.log_prior.shape == (prior.num_groups,)
    assert len(result.latents) == prior.num_groups


@each_hierarchy
def test_one_temperature_is_the_same_for_each_group(name):
    prior, image = build(name), image_for(build(name))
    one = jax.jit(prior.reconstruct)(image, TAU)
    each = jax.jit(prior.reconstruct)(image, jnp.full(prior.num_groups, TAU))
    np.testing.assert_allclose(one.mean, each.mean, atol=1e-6)


@pytest.mark.parametrize("name", DECODERS)
def test_what_a_decoder_can_do(name):
    prior = build(name)
    assert isinstance(prior, Decodes) and not isinstance(prior, Density)
    latents = encoded(prior, image_for(prior))
    found = jax.jit(prior.at, static_argnums=1)(latents, SHAPE)
    mean = jax.jit(prior.prior_mean, static_argnums=0)(SHAPE)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, mean)
    assert found.mean.shape == found.std.shape == image_for(prior).shape
    assert (found.std > 0).all() and found.log_prior.shape == (prior.num_groups,)


@pytest.mark.parametrize("name", [*HIERARCHIES, *DECODERS])
def test_latents_have_a_derivative(name):
    prior = build(name)
    latents = jax.jit(prior.prior_mean, static_argnums=0)(SHAPE).latents

    def score(latents):
        found = prior.at(latents, SHAPE)
        return jnp.sum(found.mean**2) + found.log_prior.sum()

    slopes = jax.jit(jax.grad(score))(jax.tree.map(lambda z: z + 0.1, latents))
    assert all(np.isfinite(s).all() and np.any(s) for s in slopes)


@pytest.mark.parametrize("name", [*HIERARCHIES, *DENSITIES])
def test_other_weights_and_images_compile_nothing_and_batches_are_loops(name):
    def use(prior, image):
        if isinstance(prior, Density):
            return prior(image)
        return prior.reconstruct(image, TAU).mean

    alone, together = jax.jit(use), jax.jit(jax.vmap(use, (None, 0)))
    for seed in (0, 1):
        prior = build(name, seed)
        images = jnp.stack([image_for(prior, s) for s in (seed, seed + 5)])
        batch = together(prior, images)
        for one, many in zip(images, batch, strict=True):
            np.testing.assert_allclose(alone(prior, one), many, rtol=1e-4, atol=1e-5)
    assert alone._cache_size() == together._cache_size() == 1


@each_density
def test_what_a_density_can_do(name):
    prior = build(name)
    assert isinstance(prior, Density) and not isinstance(prior, Reconstructs)
    image = image_for(prior)
    value, slope = jax.jit(jax.value_and_grad(prior))(image)
    assert value.shape == () and slope.shape == image.shape
    step = 1e-3 * jax.random.normal(jax.random.key(1), image.shape)
    change = prior(image + step) - prior(image - step)
    np.testing.assert_allclose(change, 2 * jnp.vdot(slope, step), rtol=0.05, atol=1e-6)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_files_keep_weights_and_config(name, tmp_path):
    prior = build(name)
    path = tmp_path / "prior.safetensors"
    save_prior(prior, path, {"licence": "none"})
    again = load_prior(path)
    assert type(again) is type(prior) and again.config == prior.config
    for one, other in zip(jax.tree.leaves(prior), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "name", rows([*HIERARCHIES, *DECODERS, "alr", "glow"], (*HIERARCHIES, *DECODERS))
)
def test_parameters_are_single_precision_whatever_the_default(name):
    others = {"alr": (Critic, CriticConfig((4, 3))), "glow": (Glow, FLOW)}
    kind, config = (HIERARCHIES | DECODERS | others)[name]
    with jax.enable_x64(True):
        prior = kind.create(config, jax.random.key(0))
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(prior))
