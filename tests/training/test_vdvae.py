"""The recipe of VDVAE: loss, optimiser, evaluation, pictures, export, configs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from jaxrestore.configfiles import load_config
from jaxrestore.data.pipeline import training_batches
from jaxrestore.data.sources import open_source, open_sources
from jaxrestore.errors import InputError
from jaxrestore.priors import VDVAEConfig, load_prior, read_metadata
from jaxrestore.priors.hvae.vdvae_config import PUBLISHED
from jaxrestore.training.config import train_config
from jaxrestore.training.recipes.vdvae import VDVAERecipe
from tests.training import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recipe():
    return VDVAERecipe(tiny.make("vdvae", {}))


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
    given = {"learning_rate": 0.5, "warmup": 100, "decay_start": 100, "clip_norm": 1.0}
    given |= {"weight_decay": 0.01}
    config = tiny.make("vdvae", {f"optimizer.{k}": v for k, v in given.items()})
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


def test_muon_steps_along_orthogonal_matrices(recipe, params):
    """Of each block's kernel; biases and the outer layers follow NAdam."""
    given = {
        "optimizer.name": "muon",
        "optimizer.warmup": 0,
        "optimizer.weight_decay": 0.0,
    }
    rate = 0.5
    config = tiny.make("vdvae", given | {"optimizer.learning_rate": rate})
    optimizer = recipe.optimizer(config)
    keys = jax.random.split(_key(3), len(jax.tree.leaves(params)))
    keys = jax.tree.unflatten(jax.tree.structure(params), list(keys))
    gradient = jax.tree.map(lambda k, p: jax.random.normal(k, p.shape), keys, params)
    step, _ = optimizer.update(gradient, optimizer.init(params), params)
    orthogonal = 0
    for path, leaf in jax.tree.leaves_with_path(step):
        if path[-1].key != "kernel" or leaf.ndim not in (3, 5):
            first = rate * (1 + 0.9 * 0.1 / (1 - 0.9**2))
            np.testing.assert_allclose(np.abs(leaf), first, rtol=1e-3)
            continue
        orthogonal += 1
        for matrix in np.reshape(leaf, (len(leaf), -1, leaf.shape[-1])):
            size = 0.2 * rate * np.sqrt(max(matrix.shape))
            values = np.linalg.svd(matrix, compute_uv=False) / size
            # Five Newton-Schulz iterations come so near to 1.
            assert values.min() > 0.5 and values.max() < 1.3
    assert orthogonal > 5


def test_grey_batches(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    grey = colours[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    values = load_config("vdvae_faces64", "train")
    given = {"data.train": str(tmp_path), "data.flip": False}
    data = train_config(values, **given).data
    batches = training_batches(open_sources(data, "train"), data, 2, seed=0)
    images = next(batches)["image"]
    batches.close()
    assert images.shape == (2, 64, 64, 1)
    np.testing.assert_array_equal(images[0, ..., 0], grey / np.float32(255))
    Image.fromarray(colours).save(tmp_path / "grey.png")
    luma = open_source(data, "train")[0][0][..., 0]
    np.testing.assert_allclose(luma, colours @ [0.299, 0.587, 0.114], atol=1.0)
    with pytest.raises(InputError, match=r"config\.data\.channels=2"):
        train_config(values, **given, **{"data.channels": 2})


@pytest.mark.parametrize("name", PUBLISHED)
def test_configs_name_the_networks(name):
    values = load_config(f"vdvae_{name}", "train")
    config = train_config(values, **{"data.train": "somewhere"})
    expected = PUBLISHED[name].to_dict() | {"input_factor": 255.0}
    assert config.model == VDVAEConfig.from_dict(expected)
    assert config.skip_gradient_norm > config.optimizer.clip_norm
