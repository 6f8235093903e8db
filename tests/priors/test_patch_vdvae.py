"""PatchVDVAE's own promises: sizes, temperature limits, rules, counts, batches."""

from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.priors import PatchVDVAE, PatchVDVAEConfig
from jaxrestore.priors.hvae.patch_config import published, thesis
from jaxrestore.priors.hvae.rules import (
    Below,
    Given,
    PosteriorSample,
    PriorSample,
    Tempered,
)
from tests.priors.random_weights import random_prior

CONFIG = PatchVDVAEConfig(
    strides=(1, 2, 2),
    groups=(2, 3, 2),
    cells=(1, 2, 1),
    top_down_filters=(12, 8, 8),
    bottom_up_filters=(12, 8, 8),
    kernel_sizes=(1, 3, 3),
    latent_channels=3,
    skip_filters=4,
    patch=2,
    noise_input=True,
)


@pytest.fixture(scope="module")
def prior():
    return random_prior(PatchVDVAE, CONFIG)


@pytest.fixture(scope="module")
def image():
    return jax.random.uniform(jax.random.key(2), (16, 24, 3))


def _count(config):
    key = jax.random.key(0)
    shapes = jax.eval_shape(lambda k: PatchVDVAE.create(config, k), key)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def test_published_counts():
    assert _count(published()) == 14_770_942
    assert published().num_groups == 36
    assert thesis().num_groups == thesis().depth == 30
    latents = sum(
        n * 16 * (64 // f) ** 2
        for n, f in zip(published().groups, published().factors, strict=True)
    )
    assert latents == 523_872  # of a 64 x 64 image


@hypothesis.given(st.integers(1, 20), st.integers(1, 20))
@hypothesis.settings(max_examples=6, deadline=None)
def test_any_size(prior, height, width):
    image = jax.random.uniform(jax.random.key(2), (height, width, 3))
    result = jax.eval_shape(prior.reconstruct, image, 0.9, 0.1)
    assert result.mean.shape == result.std.shape == image.shape
    sides = [-(-side // 8) * 8 for side in (height, width)]
    for latent, factor in zip(
        result.latents, np.repeat(CONFIG.factors, CONFIG.groups), strict=True
    ):
        assert latent.shape == (sides[0] // factor, sides[1] // factor, 3)


def test_padding_changes_nothing_for_multiples_and_runs_for_one_pixel(prior, image):
    one = jax.jit(prior.reconstruct)(image[:1, :1], 0.8)
    assert np.isfinite(one.mean).all() and one.mean.shape == (1, 1, 3)
    grown = jnp.pad(image[:13, :9], ((0, 3), (0, 7), (0, 0)), mode="symmetric")
    small = jax.jit(prior.reconstruct)(image[:13, :9], 0.8)
    large = jax.jit(prior.reconstruct)(grown, 0.8)
    np.testing.assert_allclose(small.mean, large.mean[:13, :9], atol=1e-6)


def _latents(prior, rule, image):
    skips = prior.skips(image, None)
    return prior._walk(rule, skips, image.shape[:2], lambda z, p, q: (z, p, q))[1]


@pytest.mark.slow
def test_temperature_limits(prior, image):
    at_one = prior.reconstruct(image, 1.0).latents
    groups = _latents(prior, Tempered(jnp.float32(1)), image)
    for at_mean, (z, _, q) in zip(at_one, groups, strict=True):
        np.testing.assert_allclose(z, q.mean, atol=1e-5)
        np.testing.assert_allclose(z, at_mean, atol=1e-5)
    for tau in (0.0, 1e-4):
        groups = _latents(prior, Tempered(jnp.float32(tau)), image)
        for z, p, _ in groups:
            np.testing.assert_allclose(z, p.mean, atol=1e-5)


@pytest.mark.slow
def test_tempered_latent_is_the_mode_of_its_product(prior, image):
    """Proposition 5.1: stationary point of log q + (1/tau^2 - 1) log p."""
    tau = jnp.linspace(0.9, 0.5, prior.num_groups)
    for group, (z, p, q) in enumerate(_latents(prior, Tempered(tau), image)):
        slope = (q.mean - z) / q.std**2
        slope += (1 / tau[group] ** 2 - 1) * (p.mean - z) / p.std**2
        scale = 1 / q.std**2 + (1 / tau[group] ** 2 - 1) / p.std**2
        np.testing.assert_allclose(slope / scale, 0.0, atol=1e-5)


def test_blend_survives_vanishing_deviations():
    from jaxrestore.priors.hvae.gaussian import Gaussian, blend

    zero, one = jnp.zeros(3), jnp.ones(3)
    for tau in (0.0, 0.5, 1.0):
        z = blend(Gaussian(zero, zero), Gaussian(one, zero), jnp.float32(tau))
        assert np.isfinite(z).all()


@pytest.mark.slow
def test_decode_inverts_what_reconstruct_returns(prior, image):
    result = prior.reconstruct(image, 0.8, 0.05)
    mean, std = prior.decode(result.latents, image.shape[:2])
    np.testing.assert_allclose(mean, result.mean, atol=1e-5)
    np.testing.assert_allclose(std, result.std, atol=1e-5)
    with pytest.raises(InputError, match="latents"):
        prior.decode(result.latents[:-1], image.shape[:2])


@pytest.mark.slow
def test_two_rules_joined(prior, image):
    """Groups below the split keep their latents, the others come from the prior."""
    key, split = jax.random.key(3), 4
    given = prior.encode(image, jax.random.key(4))
    rule = Below(split, Given(given), PriorSample(key, jnp.float32(0.7)))
    _, groups = prior._walk(rule, None, image.shape[:2], lambda z, p, q: (z, p))
    for group, (z, p) in enumerate(groups):
        if group < split:
            np.testing.assert_allclose(z, given[group], atol=1e-6)
        else:
            drawn = p.sample(jax.random.fold_in(key, group), 0.7)
            np.testing.assert_allclose(z, drawn, atol=1e-5)


@pytest.mark.slow
def test_samples_have_the_statistics_of_their_distribution(prior, image):
    """The first group's posterior does not depend on other latents."""
    keys = jax.random.split(jax.random.key(5), 400)
    skips = prior.skips(image, None)
    draws = jax.vmap(
        lambda k: prior._walk(
            PosteriorSample(k), skips, image.shape[:2], lambda z, p, q: z
        )[1][0]
    )(keys)
    _, _, q = _latents(prior, Tempered(jnp.float32(1)), image)[0]
    z = (draws.mean(0) - q.mean) / (q.std / 20.0)
    assert abs(float(z.mean())) < 1.0 and 0.5 < float(z.std()) < 1.5
    np.testing.assert_allclose(draws.std(0) / q.std, 1.0, atol=0.2)


def test_temperature_scales_the_prior_deviation(prior):
    shape, key = (16, 24), jax.random.key(6)
    for tau in (0.0, 0.5):
        _, groups = prior._walk(
            PriorSample(key, jnp.float32(tau)), None, shape, lambda z, p, q: (z, p)
        )
        z, p = groups[0]
        noise = jax.random.normal(jax.random.fold_in(key, 0), z.shape)
        np.testing.assert_allclose(z, p.mean + tau * p.std * noise, atol=1e-5)


def test_elbo_bits_are_nats_of_eight_bit_pixels(prior, image):
    terms = prior.elbo(image, jax.random.key(7))
    assert terms.kl.shape == terms.elements.shape == (prior.num_groups,)
    assert (terms.kl >= 0).all()
    nats = float(terms.nats_per_dim)
    np.testing.assert_allclose(
        float(terms.bits_per_dim), (nats + np.log(128)) / np.log(2), rtol=1e-5
    )
    deviation = (2 * image - 1 - terms.decoder.mean) / terms.decoder.std
    by_hand = 0.5 * (deviation**2 + np.log(2 * np.pi)) + jnp.log(terms.decoder.std)
    expected = (by_hand.sum() + terms.kl.sum()) / image.size
    np.testing.assert_allclose(nats, float(expected), rtol=1e-4)


def test_the_encoder_hears_the_noise_level(prior, image):
    quiet = prior.reconstruct(image, 1.0, 0.0).mean
    loud = prior.reconstruct(image, 1.0, 0.2).mean
    assert float(jnp.abs(quiet - loud).max()) > 1e-3
    np.testing.assert_array_equal(quiet, prior.reconstruct(image, 1.0, None).mean)


@pytest.mark.slow
def test_batch_loop_and_unrolling_agree(prior, image):
    images = jnp.stack([image, image[::-1]])
    run = jax.jit(lambda p, x: p.reconstruct(x, 0.8))
    batch = jax.jit(jax.vmap(lambda x: prior.reconstruct(x, 0.8)))(images)
    unrolled = PatchVDVAE(prior.params, replace(prior.config, unroll=True))
    for i in range(2):
        alone = run(prior, images[i])
        np.testing.assert_allclose(batch.mean[i], alone.mean, atol=1e-5)
        np.testing.assert_allclose(run(unrolled, images[i]).mean, alone.mean, atol=1e-5)


def test_bfloat16_keeps_float32_statistics(prior, image):
    half = PatchVDVAE(prior.params, replace(prior.config, compute_dtype="bfloat16"))
    result = jax.jit(half.reconstruct)(image, 0.8)
    assert result.mean.dtype == result.latents[0].dtype == jnp.float32
    full = jax.jit(prior.reconstruct)(image, 0.8)
    assert float(jnp.abs(result.mean - full.mean).mean()) < 0.02


def test_fixed_decoder_deviation(image):
    prior = random_prior(PatchVDVAE, replace(CONFIG, decoder_std=0.04))
    np.testing.assert_allclose(prior.reconstruct(image, 1.0).std, 0.04, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"groups": (1, 2)}, "model.groups"),
        ({"cells": (0, 1, 1)}, "model.cells"),
        ({"kernel_sizes": (2, 3, 3)}, "model.kernel_sizes"),
        ({"strides": (2, 2, 2)}, "model.strides"),
        ({"compute_dtype": "int8"}, "model.compute_dtype"),
    ],
)
def test_bad_config(change, named):
    with pytest.raises(InputError, match=named):
        replace(CONFIG, **change)
    with pytest.raises(InputError, match=r"model\.grops"):
        PatchVDVAEConfig.from_dict({"grops": (1,)})


def test_image_of_wrong_rank(prior, image):
    with pytest.raises(InputError, match="image"):
        prior.reconstruct(image[..., :1], 1.0)


DETERMINISTIC = replace(CONFIG, groups=(1, 1, 2), deterministic=(1, 2, 0))


def test_deterministic_blocks_stand_in_for_groups_of_their_size():
    """Table 5.4: depth and parameters stay, latents go."""
    assert CONFIG.depth == DETERMINISTIC.depth == 7 == CONFIG.num_groups
    assert DETERMINISTIC.num_groups == 4
    few = tuple(n - 1 for n in published().groups)
    own = replace(published(), groups=(1,) * 6, deterministic=few)
    assert abs(_count(own) / 14_770_942 - 1) < 0.01
    with pytest.raises(InputError, match="model.deterministic=.*expected 3 values"):
        replace(CONFIG, deterministic=(1,))


@pytest.mark.slow
def test_deterministic_blocks_take_part(image):
    prior = random_prior(PatchVDVAE, DETERMINISTIC)
    run = jax.jit(lambda prior: prior.reconstruct(image, 0.7))
    found = run(prior)
    assert [z.shape[:2] for z in found.latents] == [(2, 3), (4, 6), (8, 12), (8, 12)]
    again = jax.jit(prior.at, static_argnums=1)(found.latents, image.shape[:2])
    np.testing.assert_allclose(found.mean, again.mean, atol=1e-5)
    for level, name in ((0, "first_cells"), (1, "blocks_cells")):
        params = jax.tree.map(lambda leaf: leaf, prior.params)
        cells = params["top_down"][f"level_{level}"]
        cells[name] = jax.tree.map(jnp.zeros_like, cells[name])
        other = run(replace(prior, params=params))
        assert jnp.abs(other.mean - found.mean).max() > 1e-3
