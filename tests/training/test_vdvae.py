"""The recipe of VDVAE: loss, optimiser, evaluation, pictures, export, configs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from configs.train import (
    vdvae_cifar10,
    vdvae_faces64,
    vdvae_ffhq256,
    vdvae_ffhq1024,
    vdvae_imagenet32,
    vdvae_imagenet64,
)
from jaxrestore.data.pipeline import training_batches
from jaxrestore.data.sources import open_source, open_sources
from jaxrestore.errors import InputError
from jaxrestore.priors import VDVAEConfig, load_prior, read_metadata
from jaxrestore.priors.hvae.vdvae_config import PUBLISHED
from jaxrestore.training.config import validate
from jaxrestore.training.recipe import create_recipe
from jaxrestore.training.vdvae import VDVAERecipe
from tests.training import tiny


@pytest.fixture(scope="module")
def recipe():
    recipe = create_recipe(tiny.vdvae())
    assert isinstance(recipe, VDVAERecipe)
    return recipe


def _key(seed):
    return jax.random.key(seed, impl="unsafe_rbg")  # compiles faster than threefry


@pytest.fixture(scope="module")
def params(recipe):
    return jax.jit(recipe.init)(_key(0))


@pytest.fixture(scope="module")
def batch():
    ramp = np.linspace(0.1, 0.9, 8)
    image = np.rint(255 * ramp[:, None, None] * ramp[None, :, None]) / 255
    stack = [image, image[::-1], image[:, ::-1], 1 - image]
    return {"image": jnp.asarray(stack, jnp.float32)}


@pytest.fixture(scope="module")
def trained(recipe, params, batch):
    optimizer = recipe.optimizer(recipe.config)
    state = optimizer.init(params)

    @jax.jit
    def update(params, state, step):
        key = jax.random.fold_in(_key(1), step)
        (_, metrics), gradient = jax.value_and_grad(recipe.loss, has_aux=True)(
            params, batch, key, step
        )
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, metrics

    history = []
    for step in range(80):
        params, state, metrics = update(params, state, step)
        history.append({name: float(value) for name, value in metrics.items()})
    return params, history


def test_it_learns(trained):
    _, history = trained
    first, last = history[0], history[-1]
    assert last["nats_per_dim"] < first["nats_per_dim"] - 1.0
    assert last["kl"] > 0.01  # the latents are in use
    for metrics in (first, last):
        bound = metrics["distortion"] + metrics["kl"]
        assert metrics["nats_per_dim"] == pytest.approx(bound, rel=1e-5)
        bits = metrics["nats_per_dim"] / np.log(2)
        assert metrics["bits_per_dim"] == pytest.approx(bits, rel=1e-5)
    # Unstructured weights say little about a pixel, but more than nothing.
    assert 5.0 < first["bits_per_dim"] < 12.0


def test_evaluation(recipe, trained, batch):
    scores = jax.jit(recipe.evaluate)(trained[0], batch, _key(2))
    assert scores.keys() == {
        "nats_per_dim",
        "bits_per_dim",
        "distortion",
        "kl",
        "psnr",
    }
    assert float(scores["psnr"]) > 12.0


def test_sheets_of_grey_pictures(recipe, params, batch):
    host = jax.device_get(params)
    sheets = recipe.sheets(host, jax.device_get(batch), _key(1))
    assert sheets["reconstructions"].shape == (16, 32, 3)
    assert sheets["samples"].shape == (24, 32, 3)  # three temperatures
    for sheet in sheets.values():
        assert sheet.min() >= 0.0 and sheet.max() <= 1.0


def test_export_loads_as_a_prior(recipe, params, tmp_path):
    path = tmp_path / "w.safetensors"
    recipe.export(params, path, {"step": "7", "config": "c"})
    assert load_prior(path).config == recipe.model
    assert read_metadata(path)["training_config"] == "c"


def test_optimiser_clips_then_decays_weights(recipe):
    config = recipe.config.copy_and_resolve_references()
    config.optimizer.update(learning_rate=0.5, warmup=100, clip_norm=1.0)
    config.optimizer.weight_decay = 0.01
    optimizer, weights = recipe.optimizer(config), {"w": jnp.ones(4)}
    state = optimizer.init(weights)
    steps = []
    for _ in range(3):
        update, state = optimizer.update({"w": jnp.full(4, 100.0)}, state, weights)
        steps.append(float(update["w"][0]))
    # The first update has rate 0, the n-th n/100 of 0.5; Adam's step is then 1.
    np.testing.assert_allclose(steps, [0.0, -0.00505, -0.0101], rtol=1e-3)
    moment = optax.tree.get(state, "mu")["w"]
    np.testing.assert_allclose(moment, 0.5 * (1 - 0.9**3), rtol=1e-4)
    assert float(optax.tree.get(state, "nu")["w"][0]) == pytest.approx(0.25 * 0.271)


def test_grey_batches(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    grey = colours[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    config = vdvae_faces64.get_config()
    config.data.train = str(tmp_path)
    config.data.flip = False
    data = validate(config).data
    batches = training_batches(open_sources(data, "train"), data, 2, seed=0)
    images = next(batches)["image"]
    batches.close()
    assert images.shape == (2, 64, 64, 1)
    np.testing.assert_array_equal(images[0, ..., 0], grey / np.float32(255))
    Image.fromarray(colours).save(tmp_path / "grey.png")
    luma = open_source(data, "train")[0][0][..., 0]
    np.testing.assert_allclose(luma, colours @ [0.299, 0.587, 0.114], atol=1.0)
    config.data.channels = 2
    with pytest.raises(InputError, match=r"config\.data\.channels=2"):
        validate(config)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (vdvae_cifar10, "cifar10"),
        (vdvae_imagenet32, "imagenet32"),
        (vdvae_imagenet64, "imagenet64"),
        (vdvae_ffhq256, "ffhq256"),
        (vdvae_ffhq1024, "ffhq1024"),
    ],
)
def test_configs_name_the_networks(module, name):
    config = module.get_config()
    trained = VDVAEConfig.from_dict(config.model)
    expected = PUBLISHED[name].to_dict() | {"input_factor": 255.0}
    assert trained == VDVAEConfig.from_dict(expected)
    config.data.train = "somewhere"
    assert validate(config).skip_gradient_norm > config.optimizer.clip_norm
