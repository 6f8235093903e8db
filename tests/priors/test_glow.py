"""Glow: an inverse, a density, and gradients that need no stored activations."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.nets import flow_steps
from jaxrestore.nets.flow import CouplingNet
from jaxrestore.nets.flow_steps import COUPLINGS, Coupling
from jaxrestore.priors import Decodes, Density, Glow, GlowConfig, Reconstructs
from jaxrestore.priors.flow import steps
from tests.priors.random_weights import random_glow

SMALL = GlowConfig(image_size=4, image_channels=1, steps=(2, 1), widths=(5, 6))
KINDS = [
    pytest.param(replace(SMALL, coupling="additive"), marks=pytest.mark.slow),
    pytest.param(
        replace(SMALL, coupling="affine", mixing="plain"), marks=pytest.mark.slow
    ),
    replace(SMALL, coupling="affine_exp", mixing="plain_but_last"),
]


@pytest.fixture(scope="module", params=KINDS, ids=COUPLINGS)
def prior(request):
    return random_glow(request.param)


@pytest.fixture(scope="module")
def image():
    return jax.random.uniform(jax.random.key(1), (4, 4, 1))


def test_what_it_can_do(prior):
    assert isinstance(prior, Density) and isinstance(prior, Decodes)
    assert not isinstance(prior, Reconstructs)


@jax.jit
def _laws(prior, image):
    """What one program says of a network and an image."""

    def flat(pixels):
        raw = prior.encode(pixels.reshape(image.shape), "raw")
        return jnp.concatenate([z.ravel() for z in raw])

    found = prior.encoding(image)
    zeros = jax.tree.map(jnp.zeros_like, found.whitened)
    return {
        "encoding": found,
        "dense": jnp.linalg.slogdet(jax.jacrev(flat)(image.ravel()))[1],
        "back": [prior.decode(found.whitened), prior.decode(found.raw, "raw")],
        "log_prob": prior.log_prob(image),
        "centres": [prior.decode(zeros), prior.prior_mean((4, 4)).mean],
        "at": prior.at(found.whitened, (4, 4)),
    }


def test_inverse_and_dense_jacobian(prior, image):
    told = _laws(prior, image)
    found, dense = told["encoding"], told["dense"]
    for again in told["back"]:
        np.testing.assert_allclose(again, image, atol=1e-5)
    np.testing.assert_allclose(found.log_det, dense, rtol=1e-4, atol=1e-4)
    total = found.log_prior.sum() + dense
    np.testing.assert_allclose(told["log_prob"], total, rtol=1e-4)


def test_both_kinds_of_latents_belong_together(prior, image):
    told = _laws(prior, image)
    np.testing.assert_allclose(*told["centres"], atol=1e-6)
    found, at = told["encoding"], told["at"]
    normal = [
        -0.5 * np.sum(np.square(z) + np.log(2 * np.pi))
        for z in map(np.asarray, found.whitened)
    ]
    # p(z) and the standard normal differ by the deviations of the whitening.
    assert not np.allclose(found.log_prior, normal, atol=1e-2)
    np.testing.assert_allclose(at.log_prior, normal, rtol=1e-4)
    np.testing.assert_allclose(at.mean, image, atol=1e-5)


def _unrolled(config, params, x):
    """The definition: a Python loop, plain differentiation, no merged linear maps."""
    total = 0.0
    for block in range(config.num_groups):
        coupling = steps.coupling(config, block)
        for i in range(config.steps[block]):
            stack = params[f"block_{block}"]["steps"]
            own = jax.tree.map(lambda leaf, i=i: leaf[i], stack)
            actnorm = own["actnorm"]
            matrix, log_det = steps.matrix_of(own["mixing"])
            if i == 0:
                x = flow_squeeze(x)
            x = (actnorm["scale"] * (x + actnorm["loc"])) @ matrix.T
            a, b = jnp.split(x, 2, -1)
            c, more = coupling.join(b, coupling.raw(own["net"], a))
            x = jnp.concatenate([a, c], -1)
            log_det += jnp.log(jnp.abs(actnorm["scale"])).sum()
            total += more + x.shape[1] * x.shape[2] * log_det
        x = jnp.split(x, 2, -1)[0] if block < config.num_groups - 1 else x
    return x, total


def flow_squeeze(x):
    """Channel 4c + 2dy + dx, pixel by pixel."""
    rows = [x[:, dy::2, dx::2] for dy in range(2) for dx in range(2)]
    return jnp.stack(rows, -1).reshape(*rows[0].shape[:3], -1)


@pytest.mark.slow
def test_stacked_is_unrolled_with_its_gradient(prior, image):
    config = prior.config

    def stacked(params, x):
        found = Glow(params, config).encoding(x)
        return found.log_det + jnp.sum(found.raw[0] ** 3)

    def unrolled(params, x):
        y, log_det = _unrolled(config, params, x[None] - 0.5)
        return log_det[0] + jnp.sum(y**3)

    both = [
        jax.jit(jax.value_and_grad(f, (0, 1)))(prior.params, image)
        for f in (stacked, unrolled)
    ]
    for one, other in zip(*map(jax.tree.leaves, both), strict=True):
        scale = max(float(jnp.abs(other).max()), 1e-3)
        np.testing.assert_allclose(one, other, atol=2e-4 * scale)


@pytest.mark.slow
def test_decoder_has_the_inverse_jacobian(prior, image):
    """The rules of differentiation of both directions, against each other."""

    @jax.jit
    def around(prior, image):
        decoded, pull_back = jax.vjp(prior.decode, prior.encode(image))
        slope = jnp.sin(jnp.arange(image.size)).reshape(image.shape)
        _, pull_encoder = jax.vjp(prior.encode, image)
        return decoded, slope, pull_encoder(pull_back(slope)[0])[0]

    decoded, slope, again = around(prior, image)
    np.testing.assert_allclose(decoded, image, atol=1e-5)
    np.testing.assert_allclose(again, slope, atol=5e-4)


@pytest.mark.slow
def test_decoder_has_gradients_in_its_parameters():
    prior = random_glow(SMALL, scale=0.3)
    z = prior.draw(jax.random.key(3), (4, 4))
    direction = jax.tree.map(lambda leaf: jnp.cos(jnp.arange(leaf.size)), prior.params)
    direction = jax.tree.map(
        lambda d, leaf: d.reshape(leaf.shape), direction, prior.params
    )

    @jax.jit
    def score(step):
        params = jax.tree.map(lambda p, d: p + step * d, prior.params, direction)
        return jnp.sum(Glow(params, SMALL).decode(z) ** 2)

    slope = jax.jit(jax.grad(score))(0.0)
    change = score(1e-3) - score(-1e-3)
    np.testing.assert_allclose(slope, change / 2e-3, rtol=2e-2)


@pytest.mark.parametrize(
    "kind",
    ["affine", *(pytest.param(k, marks=pytest.mark.slow) for k in COUPLINGS[::2])],
)
def test_a_density_in_the_plane_integrates_to_one(kind):
    net = CouplingNet(6, 1 if kind == "additive" else 2)
    rule, keys = Coupling(kind, net), jax.random.split(jax.random.key(1), 8)
    fresh = net.init(keys[0], jnp.zeros((1, 1, 1, 1)))["params"]
    leaves, structure = jax.tree.flatten(fresh)
    pairs = zip(keys, leaves, strict=False)
    drawn = [0.2 * jax.random.normal(k, (3, *leaf.shape)) for k, leaf in pairs]
    stacked = {
        "actnorm": {"loc": jnp.zeros((3, 2)), "scale": jnp.full((3, 2), 0.9)},
        "mixing": {"matrix": jax.random.orthogonal(keys[-1], 2, (3,))},
        "net": jax.tree.unflatten(structure, drawn),
    }
    line = jnp.linspace(-12, 12, 400)
    points = jnp.stack(jnp.meshgrid(line, line), -1).reshape(-1, 1, 1, 2)

    @jax.jit
    def mass(stacked):
        linear, by_pixel = steps.prepared(stacked)
        z, log_det = flow_steps.encode(rule, linear, points)
        log_normal = -0.5 * jnp.sum(z**2, (1, 2, 3)) - jnp.log(2 * jnp.pi)
        density = jnp.exp(log_normal + log_det + by_pixel.sum())
        return density.sum() * (line[1] - line[0]) ** 2

    assert float(mass(stacked)) == pytest.approx(1, abs=1e-2)


@pytest.mark.slow
def test_first_batch_is_whitened():
    images = jax.random.uniform(jax.random.key(2), (16, 4, 4, 1))
    prior = jax.jit(lambda p, x: p.initialised(x))(random_glow(SMALL), images)
    linear, _ = steps.prepared(prior.params["block_0"]["steps"])
    x = flow_squeeze(images - 0.5)
    actnorm = prior.params["block_0"]["steps"]["actnorm"]
    white = actnorm["scale"][0] * (x + actnorm["loc"][0])
    np.testing.assert_allclose(white.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(white.std((0, 1, 2), ddof=1), 1, atol=1e-4)
    inner = flow_steps.forward(
        steps.coupling(SMALL, 0), jax.tree.map(lambda leaf: leaf[0], linear), x
    )[0]
    again = actnorm["scale"][1] * (inner + actnorm["loc"][1])
    np.testing.assert_allclose(again.mean((0, 1, 2)), 0, atol=1e-5)


@pytest.mark.slow
def test_samples_interpolations_and_conditional_draws():
    prior, key = random_glow(SMALL), jax.random.key(0)
    image = jax.random.uniform(jax.random.key(1), (4, 4, 1))
    ends = prior.interpolate(image, image, key, 2, 2)
    np.testing.assert_allclose(ends, jnp.stack([image, image]), atol=1e-5)
    whole = prior.conditional(prior.encode(image), key, (4, 4))
    np.testing.assert_allclose(whole, image, atol=1e-5)
    cold = prior.sample(key, (4, 4), 0.0)
    np.testing.assert_allclose(cold, prior.prior_mean((4, 4)).mean, atol=1e-6)
    head = prior.encode(image)[:1]
    draws = [prior.conditional(head, jax.random.key(i), (4, 4)) for i in (1, 2)]
    assert not np.allclose(*draws)
    for drawn in draws:
        np.testing.assert_allclose(prior.encode(drawn)[0], head[0], atol=1e-4)


@pytest.mark.slow
def test_full_depth_has_an_inverse_in_single_precision():
    """As published but narrower: 4 blocks of 32 steps, 64x64."""
    config = GlowConfig(widths=(32, 32, 32, 32))
    prior = Glow.create(config, jax.random.key(0))
    images = jax.random.uniform(jax.random.key(1), (2, 64, 64, 3))
    prior = jax.jit(lambda p, x: p.initialised(x))(prior, images)
    noise = random_glow(config, 1, 0.02).params
    params = {
        block: own | {"steps": own["steps"] | {"net": noise[block]["steps"]["net"]}}
        for block, own in prior.params.items()
    }
    prior = Glow(params, config)
    back = jax.jit(lambda p, x: p.decode(p.encode(x)))(prior, images[0])
    np.testing.assert_allclose(back, images[0], atol=1e-4)


def test_what_does_not_fit_is_refused():
    prior = random_glow(SMALL)
    with pytest.raises(InputError, match="widths=.*expected 2 numbers"):
        GlowConfig(steps=(1, 1), widths=(1,))
    with pytest.raises(InputError, match="image_size=6: expected a multiple of 4"):
        GlowConfig(image_size=6, steps=(1, 1), widths=(1, 1))
    with pytest.raises(InputError, match="takes 4 x 4 alone"):
        prior.encode(jnp.zeros((8, 8, 1)))
    with pytest.raises(InputError, match="use jax.vmap"):
        prior.encode(jnp.zeros((1, 4, 4, 1)))
    with pytest.raises(InputError, match="expected one of whitened, raw"):
        prior.encode(jnp.zeros((4, 4, 1)), "white")
    with pytest.raises(InputError, match="pass what encode returns"):
        prior.decode(prior.draw(jax.random.key(0), (4, 4))[::-1])
