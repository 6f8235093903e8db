"""VDVAE's own promises: counts, grammar, one size, start of the training, grey."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from jaxrestore.errors import InputError
from jaxrestore.nets.vdvae_blocks import gelu
from jaxrestore.priors import VDVAE, VDVAEConfig, load_prior, save_prior
from jaxrestore.priors.hvae.vdvae_config import PUBLISHED, Stage
from tests.priors.random_weights import random_prior

GREY = VDVAEConfig(
    image_size=8,
    image_channels=1,
    width=12,
    custom_widths="8:8",
    enc_blocks="8x1,8d2,4x1,4d4,1x1",
    dec_blocks="1x1,4m1,4x1,8m4",
    zdim=3,
    num_mixtures=2,
    no_bias_above=4,
)
KEY = jax.random.key(0, impl="unsafe_rbg")  # compiles faster than threefry


@pytest.fixture(scope="module")
def prior():
    return random_prior(VDVAE, GREY)


@pytest.fixture(scope="module")
def image():
    return jax.random.uniform(jax.random.key(2), (8, 8, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weights", "groups"),
    [
        ("cifar10", 39_145_700, 43),
        ("imagenet32", 119_280_868, 78),
        ("imagenet64", 125_005_860, 75),
        ("ffhq256", 114_874_852, 66),
        ("ffhq1024", 109_366_904, 70),
    ],
)
def test_published_counts(name, weights, groups):
    config = PUBLISHED[name]
    shapes = jax.eval_shape(lambda k: VDVAE.create(config, k), jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == weights
    assert config.num_groups == groups
    assert VDVAEConfig.from_dict(config.to_dict()) == config


def test_groups_by_side_of_the_published_faces():
    stages = PUBLISHED["ffhq256"].decoder_stages
    assert [stage.resolution for stage in stages] == [1, 4, 8, 16, 32, 64, 128, 256]
    cumulative = np.cumsum([stage.count for stage in stages])
    np.testing.assert_array_equal(cumulative, [2, 6, 11, 21, 43, 57, 65, 66])
    assert sum(16 * s.count * s.resolution**2 for s in stages) == 4_470_816


def test_grammar():
    config = replace(GREY, enc_blocks="8, 8d2 ,4x2,4d4,1", dec_blocks="1x2,1,4m1,8m4,8")
    assert config.encoder_stages == (
        Stage(8, 1), Stage(8, 1, 2), Stage(4, 2), Stage(4, 1, 4), Stage(1, 1)
    )  # fmt: skip
    assert config.decoder_stages == (Stage(1, 3), Stage(4, 1, 4), Stage(8, 2, 2))
    assert config.width_at(8) == 8 and config.width_at(4) == 12


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"enc_blocks": "8y2"}, "enc_blocks"),
        ({"enc_blocks": "8x1,8m2"}, "not '8m2'"),
        ({"enc_blocks": "4x1,4d4,1x1"}, "blocks of side 8 next"),
        ({"enc_blocks": "8d3,2x1"}, "enc_blocks"),
        ({"dec_blocks": "1x1,4x1,8m4"}, "4m1 first"),
        ({"dec_blocks": "1x1,8m4"}, "4 before 8m4"),
        ({"dec_blocks": "1x1,4m1"}, "the last 8"),
        ({"dec_blocks": "2x1,4m2,8m4"}, "sides of enc_blocks"),
        ({"custom_widths": "8:16"}, "no fewer channels"),
        ({"custom_widths": "8=16"}, "side:channels"),
        ({"image_channels": 2}, "image_channels"),
        ({"zdim": 0}, "zdim"),
        ({"input_scale": "abc"}, "input_scale=abc: not a number"),
        ({"input_shift": np.nan}, "input_shift=nan: not a number"),
        ({"compute_dtype": "int8"}, "compute_dtype"),
    ],
)
def test_bad_config(change, named):
    with pytest.raises(InputError, match=named):
        replace(GREY, **change)


def test_only_its_own_size(prior, image):
    with pytest.raises(InputError, match="8 x 8 alone"):
        prior.reconstruct(image[:4], 1.0)
    with pytest.raises(InputError, match="8 x 8 alone"):
        prior.sample(jax.random.key(0), (16, 16))
    with pytest.raises(InputError, match=r"expected \(H, W, 1\)"):
        prior.reconstruct(jnp.zeros((8, 8, 3)), 1.0)


def test_gelu_is_exact():
    x = jnp.linspace(-6.0, 6.0, 101)
    wide = np.asarray(x, np.float64)
    np.testing.assert_allclose(gelu(x), wide * special.ndtr(wide), atol=1e-6)
    density = np.exp(-0.5 * wide**2) / np.sqrt(2 * np.pi)
    slope = jax.vmap(jax.grad(gelu))(x)
    np.testing.assert_allclose(slope, special.ndtr(wide) + wide * density, atol=1e-6)


def test_a_fresh_network_starts_as_published():
    config = replace(
        GREY,
        image_size=4,
        custom_widths="",
        enc_blocks="4x3",
        dec_blocks="4x2",
    )
    params = VDVAE.create(config, KEY).params
    stage = params["top_down"]["stage_0"]
    blocks = stage["blocks"]
    assert stage["bias"].shape == (4, 4, 12) and not stage["bias"].any()
    assert not blocks["prior_block"]["c4"]["kernel"].any()
    assert (params["top_down"]["head"]["gain"] == 1).all()
    for weights, fan_in, scale in (
        (blocks["enc"]["c4"], 3, 1.0),
        (blocks["resnet"]["c4"], 3, 2**-0.5),
        (blocks["z_proj"], 3, 2**-0.5),
        (params["bottom_up"]["stage_0"]["c4"], 3, 3**-0.5),
        (params["bottom_up"]["stage_0"]["c2"], 27, 1.0),
        (params["bottom_up"]["stem"], 9, 1.0),
    ):
        bound = scale * fan_in**-0.5
        assert 0.8 * bound < float(jnp.abs(weights["kernel"]).max()) <= bound
        assert not weights["bias"].any()


def test_reconstruction_decoding_and_bound_agree(prior, image):
    @jax.jit
    def run(prior, image, key):
        result, terms = prior.reconstruct(image, 0.8), prior.elbo(image, key)
        scored = terms.decoder.log_prob(prior._target(image))
        return result, prior.decode(result.latents, (8, 8)), terms, scored

    result, (mean, std), terms, scored = run(prior, image, KEY)
    assert result.mean.shape == result.std.shape == image.shape
    assert [z.shape for z in result.latents] == [(1, 1, 3), *[(4, 4, 3)] * 2, (8, 8, 3)]
    np.testing.assert_allclose(mean, result.mean, atol=1e-5)
    np.testing.assert_allclose(std, result.std, atol=1e-5)
    expected = (terms.kl.sum() - scored) / image.size
    np.testing.assert_allclose(terms.nats_per_dim, expected, rtol=1e-5)
    bits = terms.nats_per_dim / np.log(2)
    np.testing.assert_allclose(terms.bits_per_dim, bits, rtol=1e-6)


@pytest.mark.slow
def test_batches_loops_and_halves(prior, image):
    images = jnp.stack([image, 1.0 - image])
    run = jax.jit(lambda p, x: p.reconstruct(x, 0.8).mean)
    batch = jax.jit(jax.vmap(lambda x: prior.reconstruct(x, 0.8).mean))(images)
    for change, atol in (
        ({"unroll": True}, 1e-5),
        ({"compute_dtype": "bfloat16"}, 0.1),
    ):
        other = VDVAE(prior.params, replace(prior.config, **change))
        mean = run(other, image)
        assert mean.dtype == jnp.float32
        np.testing.assert_allclose(mean, batch[0], atol=atol)


def test_conventions_of_pixels(image):
    """Shift, scale and factor of the encoder's input; bounds of what comes out."""
    config = replace(
        GREY,
        input_shift=-100.0,
        input_scale=0.02,
        input_factor=256.0,
        mean_shift=0.5,
        variance_range=(0.01, 0.02),
    )
    prior = random_prior(VDVAE, config)
    seen = prior._inputs(image, None)
    np.testing.assert_allclose(
        seen, (np.minimum(256 * image, 255) - 100) * 0.02, atol=1e-5
    )
    bare = VDVAE(prior.params, replace(config, mean_shift=0.0, variance_range=None))
    ours, plain = (jax.jit(p.reconstruct)(image, 1.0) for p in (prior, bare))
    np.testing.assert_allclose(ours.mean, np.minimum(plain.mean + 0.5, 1), atol=1e-6)
    np.testing.assert_allclose(ours.std, np.sqrt(np.clip(plain.std**2, 0.01, 0.02)))


def test_low_bit_scores_five_bits_of_what_the_encoder_sees_whole(prior, image):
    low = VDVAE(prior.params, replace(prior.config, low_bit=True))
    raw = (np.asarray(low._target(image)) + 1) * 127.5
    np.testing.assert_allclose(raw, 8 * np.floor(np.rint(255 * image) / 8), atol=1e-3)
    seen = [p._inputs(image, None) for p in (prior, low)]
    np.testing.assert_array_equal(*seen)


def test_file_round_trip(prior, tmp_path):
    save_prior(prior, tmp_path / "w.safetensors", {})
    again = load_prior(tmp_path / "w.safetensors")
    assert again.config == prior.config
    jax.tree.map(np.testing.assert_array_equal, again.params, prior.params)
