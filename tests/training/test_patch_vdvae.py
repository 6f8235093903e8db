"""The recipe of PatchVDVAE: loss, learning, evaluation, pictures, export."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore.configfiles import load_config
from jaxrestore.priors import (
    PatchVDVAE,
    PatchVDVAEConfig,
    load_prior,
    read_metadata,
)
from jaxrestore.priors.hvae.patch_config import published, thesis
from jaxrestore.training.recipes.patch_vdvae import (
    PatchVDVAERecipe,
    balanced_kl,
    kl_weight,
)
from tests.training import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recipe():
    return PatchVDVAERecipe(tiny.make("patch_vdvae", {}))


@pytest.fixture(scope="module")
def batch():
    ramp = jnp.linspace(0.1, 0.9, 16)
    image = ramp[:, None, None] * ramp[None, :, None] * jnp.array([1.0, 0.7, 0.4])
    return {"image": jnp.stack([image, image[::-1], image[:, ::-1], 1 - image])}


def test_it_learns(recipe, batch):
    params = recipe.init(jax.random.key(0))
    optimizer = recipe.optimizer(recipe.config)
    state = optimizer.init(params)

    @jax.jit
    def update(params, state, step):
        key = jax.random.fold_in(jax.random.key(1), step)
        (loss, metrics), gradient = jax.value_and_grad(recipe.loss, has_aux=True)(
            params, batch, key, step
        )
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, loss, metrics

    losses = []
    for step in range(60):
        params, state, loss, metrics = update(params, state, step)
        losses.append(float(loss))
    assert losses[-1] < losses[0] - 0.5
    assert float(metrics["kl"]) > 0.01  # the latents are in use
    before, after = recipe.init(jax.random.key(0)), params
    for name in ("prior_mean", "prior_std"):  # the first group's prior is fixed
        np.testing.assert_array_equal(
            before["top_down"]["level_0"]["first"][name],
            after["top_down"]["level_0"]["first"][name],
        )
    scores = jax.jit(recipe.evaluate)(params, batch, jax.random.key(2))
    assert {"psnr_noise_0", "psnr_noise_25", "bits_per_dim"} <= scores.keys()
    assert float(scores["psnr_noise_0"]) > 15.0


def test_clean_encoder_input_without_denoising(recipe, batch):
    plain = PatchVDVAERecipe(tiny.make("patch_vdvae", {"loss.max_noise_std": 0.0}))
    params = plain.init(jax.random.key(0))
    terms = jax.jit(plain._elbo, static_argnums=3)(
        params, batch["image"], jax.random.key(1), plain.model
    )
    prior = PatchVDVAE(params, plain.model)
    latent_key = jax.random.split(jax.random.key(1), 3)[2]
    keys = jax.random.split(latent_key, len(batch["image"]))
    clean = jax.jit(jax.vmap(prior.elbo))(batch["image"], keys)
    np.testing.assert_allclose(terms.nats_per_dim, clean.nats_per_dim, rtol=1e-5)


def test_sheets_are_pictures(recipe, batch):
    params = jax.device_get(recipe.init(jax.random.key(0)))
    sheets = recipe.sheets(params, jax.device_get(batch), jax.random.key(1))
    assert sheets["reconstructions"].shape == (32, 64, 3)
    assert sheets["samples"].shape == (48, 64, 3)  # three temperatures
    for sheet in sheets.values():
        assert sheet.min() >= 0.0 and sheet.max() <= 1.0


def test_export_loads_as_a_prior(recipe, tmp_path):
    path = tmp_path / "w.safetensors"
    recipe.export(recipe.init(jax.random.key(0)), path, {"step": "7", "config": "c"})
    prior = load_prior(path)
    assert read_metadata(path)["training_config"] == "c"
    assert prior.config == recipe.model and read_metadata(path)["step"] == "7"


def test_configs_name_the_networks():
    released = load_config("patch_vdvae_published", "train")["model"]
    assert PatchVDVAEConfig.from_dict(released) == published()
    appendix = load_config("patch_vdvae_thesis", "train")["model"]
    assert PatchVDVAEConfig.from_dict(appendix) == thesis()


def test_kl_warm_up_and_cap():
    steps = jnp.array([0.0, 21.0, 2531.5, 5042.0, 1e6])
    np.testing.assert_allclose(
        kl_weight(steps, 21, 5000), [1e-4, 1e-4, 0.5, 1.0, 1.0], rtol=1e-5
    )
    assert float(kl_weight(jnp.float32(1e6), 21, 5000, 0.1)) == pytest.approx(0.1)
    for final in (1.0, 0.1):  # no warm-up
        np.testing.assert_allclose(kl_weight(jnp.arange(3), 0, 0, final), final)
    np.testing.assert_allclose(kl_weight(jnp.arange(3), 0, 2), [1e-4, 0.5, 1.0])


def test_balancing_makes_busy_groups_pay():
    kl, elements = jnp.array([1.0, 3.0]), jnp.array([1.0, 1.0])
    assert float(balanced_kl(kl, elements)) == pytest.approx(0.5 * 1 + 1.5 * 3)
    gradient = jax.grad(balanced_kl)(kl, elements)
    np.testing.assert_allclose(gradient, [0.5, 1.5])
