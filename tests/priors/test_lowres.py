"""The low-resolution encoder: one walk for two encoders, and what stays frozen."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.parameters import params_sha256
from jaxrestore.priors import (
    VDVAE,
    SplitVDVAE,
    load_prior,
    read_metadata,
    save_prior,
)
from jaxrestore.priors.hvae import consistency, lowres
from jaxrestore.priors.hvae.gaussian import Gaussian
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.hvae.lowres_config import LowResConfig
from jaxrestore.priors.hvae.rules import Given, PosteriorSample
from jaxrestore.priors.hvae.tempered import AtLatents
from jaxrestore.priors.hvae.vdvae_config import PUBLISHED
from jaxrestore.priors.hvae.walk import per_group, split, top_down
from jaxrestore.priors.weights import resolve
from jaxrestore.solvers import Gibbs, Status, sample
from tests.contracts.cases import block_average
from tests.priors.random_weights import random_prior
from tests.priors.test_tools import GREY

pytestmark = pytest.mark.slow

SMALL = replace(
    GREY,
    enc_blocks="8x1,8d2,4x1,4d2,2x1",
    dec_blocks="2x2,4m2,4x2,8m4",
)
SHAPE = (8, 8)


@pytest.fixture(scope="module")
def prior():
    return random_prior(VDVAE, SMALL)


def make_encoder(prior, seed=1, **settings):
    digest = params_sha256(prior)
    if settings.get("factor") == 4:  # the bicubic kernel does not fit into 8x8
        settings["kernel"] = ((1 / 16,) * 4,) * 4
    config = LowResConfig(prior.config, digest, **({"factor": 2} | settings))
    return LowResEncoder.create(config, jax.random.key(seed))


@pytest.fixture(scope="module")
def encoder(prior):
    return make_encoder(prior)


@pytest.fixture(scope="module")
def image():
    return jax.random.uniform(jax.random.key(2), (*SHAPE, 1))


@pytest.fixture(scope="module")
def y(encoder, image):
    return encoder.config.operator()(image)


def test_k_is_all_groups_no_larger_than_y(prior):
    assert make_encoder(prior).num_groups == 5
    assert make_encoder(prior, factor=4).num_groups == 2
    published = PUBLISHED["ffhq256"]
    ks = {f: LowResConfig(published, factor=f).num_groups for f in (4, 8, 16)}
    assert ks == {4: 57, 8: 43, 16: 21}  # thesis, table 6.1


def test_divergence_is_that_of_two_separate_walks(prior, encoder, image, y):
    key = jax.random.key(3)
    found = jax.jit(encoder.divergence)(prior, image, y, key)

    def teacher(z, p, q):
        return z, q

    kept = jax.jit(lambda: prior.visit(image, PosteriorSample(key), teacher))()
    latents = tuple(z for z, _ in kept)
    path, _ = split(prior.runs(None, SHAPE), 5)
    mine = encoder.runs(path, encoder.features(y))

    class Reading(Given):
        uses_posterior = True

    _, students = top_down(mine, Reading(latents), lambda z, p, q: q)
    expected = [
        np.sum(
            np.log(p.std / q.std)
            + (q.std**2 + (q.mean - p.mean) ** 2) / (2 * p.std**2)
            - 0.5
        )
        for (_, q), p in zip(kept[:5], per_group(students), strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert (np.asarray(found) > 0).all()


def test_no_group_feels_the_posterior_of_another(prior, encoder, image, y):
    # The stream is the teacher's: a group's KL depends on its own block and on the
    # bottom-up path alone.
    def kl(posterior):
        params = encoder.params | {"posterior": posterior}
        changed = LowResEncoder(params, encoder.config)
        return changed.divergence(prior, image, y, jax.random.key(3))

    jacobian = jax.jit(jax.jacrev(kl))(encoder.params["posterior"])
    for stage, first in (("stage_0", 0), ("stage_1", 2)):
        bias = jacobian[stage]["c4"]["bias"]  # (k, blocks of the stage, 2Z)
        for group in range(5):
            for block in range(bias.shape[1]):
                touched = bool(np.abs(bias[group, block]).max() > 0)
                assert touched == (group == first + block)


def test_without_groups_it_is_the_prior(prior, encoder, y):
    key = jax.random.key(4)
    features = encoder.features(y)
    drawn = encoder.sample(prior, features, key, 1.0, 0.7, groups=0)
    np.testing.assert_allclose(drawn, prior.sample(key, SHAPE, 0.7), atol=1e-5)


def test_temperature_zero_has_no_chance_in_it(prior, encoder, y):
    features, keys = encoder.features(y), jax.random.split(jax.random.key(5), 2)
    draw = jax.jit(encoder.sample)
    one, other = (draw(prior, features, key, 0.0, 0.0) for key in keys)
    np.testing.assert_allclose(one, other, atol=1e-6)
    one, other = (draw(prior, features, key, 1.0, 1.0) for key in keys)
    assert not np.allclose(one, other, atol=1e-3)


def test_fewer_groups_are_the_first_ones(prior, encoder, y):
    # A stage is cut in its middle: 2x2 and one of three blocks at 4x4.
    few = make_encoder(prior, groups=3)
    stages = dict(encoder.params["posterior"])
    stages["stage_1"] = jax.tree.map(lambda leaf: leaf[:1], stages["stage_1"])
    cut = LowResEncoder(encoder.params | {"posterior": stages}, few.config)
    assert jax.tree.map(jnp.shape, few.params) == jax.tree.map(jnp.shape, cut.params)
    key, features = jax.random.key(6), encoder.features(y)
    one = jax.jit(cut.sample)(prior, features, key, 0.8, 0.6)
    other = jax.jit(encoder.sample)(prior, features, key, 0.8, 0.6, groups=3)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_start_from_the_priors_encoder(prior):
    config = LowResConfig(prior.config, factor=2, enc_blocks="4x2,4x1,4d2,2x1")
    fresh = LowResEncoder.create(config, jax.random.key(0)).params
    own = lowres.start_from_prior(config, fresh, prior.params)
    theirs = prior.params["bottom_up"]
    for mine, stage in (("stage_1", "stage_2"), ("stage_2", "stage_3")):
        jax.tree.map(
            np.testing.assert_array_equal, own["bottom_up"][mine], theirs[stage]
        )
    enc = prior.params["top_down"]["stage_0"]["blocks"]["enc"]
    jax.tree.map(np.testing.assert_array_equal, own["posterior"]["stage_0"], enc)
    config = replace(config, bottleneck=0.125)
    fresh = LowResEncoder.create(config, jax.random.key(0)).params
    narrow = lowres.start_from_prior(config, fresh, prior.params)
    kernel = narrow["posterior"]["stage_0"]["c1"]["kernel"]
    np.testing.assert_array_equal(kernel, enc["c1"]["kernel"][..., :1])


def test_files_keep_everything(prior, encoder, y, tmp_path):
    kernel = ((0.25, 0.25), (0.25, 0.25))
    given = LowResEncoder(encoder.params, replace(encoder.config, kernel=kernel))
    for saved in (encoder, given):
        save_prior(saved, tmp_path / "encoder.safetensors", {})
        loaded = load_prior(tmp_path / "encoder.safetensors")
        assert loaded.config == saved.config
        jax.tree.map(np.testing.assert_array_equal, loaded.params, saved.params)
    assert loaded.config.operator().kernel.shape == (2, 2)
    loaded.check_prior(prior)


def test_it_knows_its_prior(prior, encoder):
    encoder.check_prior(replace(prior, config=replace(SMALL, unroll=True)))
    head = dict(prior.params["top_down"]["head"])
    head["bias"] = head["bias"] + 1e-6
    top_down = prior.params["top_down"] | {"head": head}
    other = VDVAE(prior.params | {"top_down": top_down}, SMALL)
    with pytest.raises(InputError, match=r"encoder: .*SHA-256"):
        encoder.check_prior(other)
    with pytest.raises(InputError, match="another architecture"):
        encoder.check_architecture(VDVAE(prior.params, replace(SMALL, zdim=3)))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"factor": 3}, r"model.factor=3: .*expected one of 2"),
        ({"groups": 6}, r"model.groups=6: expected 1 to 5"),
        ({"groups": -1}, r"model.groups=-1"),
        ({"enc_blocks": "8x1"}, "model.enc_blocks"),
    ],
)
def test_mistakes(prior, settings, message):
    with pytest.raises(InputError, match=message):
        make_encoder(prior, **settings)


def test_wrong_sizes_and_groups(encoder):
    with pytest.raises(InputError, match=r"y: shape \(5, 4, 1\), expected 4x4x1"):
        encoder.features(jnp.zeros((5, 4, 1)))
    with pytest.raises(InputError, match=r"groups=6: this encoder predicts 5"):
        encoder.check_groups(6)


def test_unpredictability_falls_with_groups_and_size(prior):
    operators = [block_average(factor) for factor in (2, 4)]
    measure = jax.jit(consistency.unpredictability, static_argnums=(3, 4))
    keys = jax.random.split(jax.random.key(7), 30)
    found = np.mean([measure(prior, operators, key, 5, False) for key in keys], 0)
    assert found.shape == (2, 7)
    assert (found[:, -1] < 1e-3).all()  # every mean is fixed
    drawn = np.mean([measure(prior, operators, key, 5, True) for key in keys[:9]], 0)
    assert (drawn[:, -1] > 1).all()  # the decoder's noise is left
    assert (np.diff(found) < 0.05 * found[:, :1]).all()  # up to chance
    assert (found[:, 3] < found[:, 0]).all() and (found[1, :-1] < found[0, :-1]).all()


def test_consistency_errors(prior, encoder, image):
    key = jax.random.key(8)
    measure = jax.jit(consistency.consistency_error, static_argnums=(4, 5))
    trained = measure(prior, encoder, image, key, 5, False)
    operator = encoder.config.operator()
    measure = jax.jit(consistency.reconstruction_error, static_argnums=(4, 5))
    perfect = measure(prior, operator, image, key, 5, False)
    assert trained.shape == (6,) and perfect.shape == (7,)
    assert np.isfinite(trained).all() and np.isfinite(perfect).all()
    mean = prior.decode(prior.encode(image, key), SHAPE)[0]
    # All groups given: what is left is the decoder's error.
    gap = float(consistency.rms(operator(mean), operator(image)))
    assert float(perfect[-1]) == pytest.approx(gap, rel=0.5)


def test_least_number_of_groups():
    assert consistency.choose_groups([9.0, 3.0, 4.0, 1.0, 0.0], 3.5) == 3
    assert consistency.choose_groups([1.0, 0.5], 2) == 0
    with pytest.raises(InputError, match=r"wanted=0.1: .*at least 0.5"):
        consistency.choose_groups([1.0, 0.5], 0.1)


def test_the_bundled_encoders_belong_to_the_bundled_prior():
    prior, total = load_prior("vdvae-faces64"), 0
    for factor in (2, 4, 8):
        name = f"cvdvae-faces64-x{factor}"
        encoder = load_prior(name)
        assert encoder.config.factor == factor
        encoder.check_prior(prior)
        assert read_metadata(name)["licence"] == "MIT"
        total += resolve(name)[0].stat().st_size
    assert total <= 6e6


def test_a_split_encoder_proposes_coarse_groups_from_the_small_image(
    prior, encoder, image
):
    y = encoder.config.operator()(image)
    both, key = SplitVDVAE(prior, encoder, y), jax.random.key(4)
    shapes = both.latent_shapes(SHAPE)
    noise = tuple(jax.random.normal(key, shape) for shape in shapes)
    draw = both.drawn(both.skips(image), noise, 0.8, SHAPE)
    again = both.placed(both.skips(image), draw.decoded.latents, 0.8, SHAPE)
    for one, other in zip(noise, again.noise, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    np.testing.assert_allclose(draw.log_weight, again.log_weight, atol=1e-3)
    # The coarse groups are blind to x, the finer ones are not.
    other = both.drawn(both.skips(1 - image), noise, 0.8, SHAPE)
    pairs = zip(draw.decoded.latents, other.decoded.latents, strict=True)
    same = [bool(jnp.allclose(a, b, atol=1e-5)) for a, b in pairs]
    assert all(same[: encoder.num_groups]) and not same[-1]
    seen = Observation(y, encoder.config.operator(), GaussianNoise(jnp.float32(0.02)))
    drawn = sample(Gibbs(both, blocks=2), seen, key=key, n_samples=3, chains=1)
    assert drawn.status == Status.DRAWN and drawn.samples.shape == (3, *SHAPE, 1)


@pytest.mark.parametrize("tau", [1.0, 0.6])
def test_weights_of_a_draw_are_those_of_its_densities(prior, image, tau):
    """At tau = 1: log p(z) - log q(z | x), group by group."""
    shapes = prior.latent_shapes(SHAPE)
    noise = tuple(jax.random.normal(jax.random.key(3), shape) for shape in shapes)
    draw = prior.drawn(prior.skips(image), noise, tau, SHAPE)

    def collect(z, p, q):
        return p, q

    rule = AtLatents(draw.decoded.latents)
    pairs = prior.visit(image, rule, collect)
    for i, (z, (p, q)) in enumerate(zip(draw.decoded.latents, pairs, strict=True)):
        precision = q.std**-2 + (tau**-2 - 1) * p.std**-2
        pull = q.mean * q.std**-2 + (tau**-2 - 1) * p.mean * p.std**-2
        factor = Gaussian(pull / precision, precision**-0.5)
        expected = Gaussian(p.mean, tau * p.std).log_prob(z) - factor.log_prob(z)
        np.testing.assert_allclose(draw.log_weight[i], expected, atol=2e-3)
        np.testing.assert_allclose(z, factor.mean + factor.std * noise[i], atol=1e-3)
