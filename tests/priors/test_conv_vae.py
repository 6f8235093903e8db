"""One-level VAEs whose z is a vector: their laws, and the ResNet-18 against torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.convert import to_state_dict
from jaxrestore.errors import InputError
from jaxrestore.parameters import flatten
from jaxrestore.priors import ConvVAE, ConvVAEConfig, load_prior, save_prior
from jaxrestore.training.recipes.deviation import _constant

SIDE = 16
RESNET = ConvVAEConfig("resnet", 2, 3, SIDE)


def build(config, seed=0):
    """A prior with random weights and statistics, drawn by NumPy."""
    rng = np.random.default_rng(seed)
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    shapes = jax.eval_shape(lambda k: ConvVAE.init_params(config, k), key)

    def drawn(path, leaf):
        name, noise = path[-1].key, rng.normal(size=leaf.shape)
        if name in ("running_var", "scale", "gamma"):
            return jnp.asarray(np.exp(noise / 5), jnp.float32)
        fan_in = np.prod(leaf.shape[:-1]) if name == "kernel" else 25.0
        return jnp.asarray(noise / fan_in**0.5, jnp.float32)

    return ConvVAE(jax.tree_util.tree_map_with_path(drawn, shapes), config)


@pytest.fixture(scope="module")
def resnet():
    return build(RESNET)


@pytest.fixture(scope="module")
def image():
    return jax.random.uniform(jax.random.key(1), (SIDE, SIDE, 3))


def test_shapes_are_those_of_a_resnet18():
    config = ConvVAEConfig("resnet", latents=128)
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    found = jax.eval_shape(lambda k: ConvVAE.init_params(config, k), key)
    shapes = {name: leaf.shape for name, leaf in flatten(found).items()}
    encoder = {n: s for n, s in shapes.items() if n.startswith("bottom_up")}
    kernels = [s for n, s in encoder.items() if n.endswith("kernel")]
    assert sum(s[:2] == (3, 3) for s in kernels) == 17  # and a dense layer: 18
    assert sum(s[:2] == (1, 1) for s in kernels) == 3
    assert shapes["bottom_up/bottleneck/kernel"] == (512, 256)
    assert shapes["top_down/decoder/first/kernel"] == (128, 512)


@pytest.mark.slow
def test_a_vector_of_latents_and_one_size(resnet, image):
    assert resnet.latent_shapes((SIDE, SIDE)) == ((1, 1, 3),)
    found = jax.jit(resnet.reconstruct)(image, 1.0)
    again = jax.jit(resnet.at, static_argnums=1)(found.latents, (SIDE, SIDE))
    np.testing.assert_allclose(found.mean, again.mean, rtol=1e-5, atol=1e-5)
    assert found.mean.shape == image.shape
    with pytest.raises(InputError, match="takes 16 x 16 alone"):
        resnet.skips(image[:8])


@pytest.mark.slow
def test_latents_have_a_derivative(resnet):
    @jax.jit
    @jax.value_and_grad
    def score(z):
        return jnp.sum(resnet.at((z,), (SIDE, SIDE)).mean)

    z, step = jnp.full((1, 1, 3), 0.2), jnp.array([[[1e-3, -2e-3, 1e-3]]])
    change = score(z + step)[0] - score(z - step)[0]
    slope = jnp.sum(score(z)[1] * step)
    assert float(change) == pytest.approx(float(2 * slope), rel=0.05)


def test_files_keep_it(resnet, tmp_path):
    save_prior(resnet, tmp_path / "vae.safetensors", {})
    again = load_prior(tmp_path / "vae.safetensors")
    assert again.config == RESNET
    jax.tree.map(np.testing.assert_array_equal, again.params, resnet.params)
    with pytest.raises(InputError, match="form='resnet': no such checkpoint"):
        to_state_dict(resnet)


@pytest.mark.slow
def test_a_second_decoder_begins_at_one_number(resnet):
    started = _constant(resnet.params["top_down"]["decoder"], np.log(0.07))
    top_down = resnet.params["top_down"] | {"deviation": started}
    config = ConvVAEConfig("resnet", 2, 3, SIDE, deviation=True)
    whole = ConvVAE(resnet.params | {"top_down": top_down}, config)
    z = jax.random.normal(jax.random.key(2), (1, 1, 3))
    std = jax.jit(whole.decode, static_argnums=1)((z,), (SIDE, SIDE))[1]
    np.testing.assert_allclose(std, 0.07, rtol=1e-5)


def block(torch, params, x, kind):
    """One block in torch: (N, C, H, W) through our parameters."""
    nn = torch.nn.functional

    def convolved(x, name, stride=1):
        kernel = np.asarray(params[name]["kernel"]).transpose(3, 2, 0, 1)
        weight = torch.from_numpy(kernel.copy())
        return nn.conv2d(x, weight, None, stride, weight.shape[-1] // 2)

    def normed(x, name):
        own = {n: torch.from_numpy(np.array(v)) for n, v in params[name].items()}
        statistics = own["running_mean"], own["running_var"]
        return nn.batch_norm(x, *statistics, own["scale"], own["bias"])

    if kind == "block_double":
        wide = lambda x: nn.interpolate(x, scale_factor=2, mode="nearest")  # noqa: E731
        h = wide(torch.relu(normed(convolved(x, "conv2"), "norm2")))
        h = normed(convolved(h, "conv1"), "norm1")
        return torch.relu(h + normed(convolved(wide(x), "skip"), "skip_norm"))
    stride = 2 if kind == "block_halve" else 1
    h = torch.relu(normed(convolved(x, "conv1", stride), "norm1"))
    h = normed(convolved(h, "conv2"), "norm2")
    if kind == "block_halve":
        x = normed(convolved(x, "skip", 2), "skip_norm")
    return torch.relu(h + x)


@pytest.mark.parametrize("kind", ["block", "block_halve", "block_double"])
def test_blocks_are_those_of_torch(kind):
    torch = pytest.importorskip("torch")
    from jaxrestore.nets.stack import LAYERS

    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 12, 4)).astype(np.float32)
    features = {"block": 4, "block_halve": 8, "block_double": 2}[kind]
    layer = LAYERS[kind](features, name=None)
    params = layer.init(jax.random.key(0), jnp.asarray(x))["params"]
    params = jax.tree.map(
        lambda a: jnp.asarray(rng.uniform(0.5, 1.5, a.shape), a.dtype), params
    )
    ours = layer.apply({"params": params}, jnp.asarray(x))
    theirs = block(torch, params, torch.from_numpy(x.transpose(2, 0, 1)[None]), kind)
    theirs = theirs[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
