"""The recipe of Glow: dequantisation, bits per dimension, the first batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.priors import load_prior
from jaxrestore.training.loop import Trainer
from jaxrestore.training.recipes.glow import GlowRecipe, dequantised
from tests.training import tiny
from tests.training.runs import assert_same_bits, losses, run

VALUES = jnp.arange(256.0).reshape(1, 16, 16, 1)


@pytest.fixture
def make_glow(image_folder):
    """Tiny config with overrides."""

    def make(**overrides):
        given = {"batch_size": 8, "total_steps": 6, "log_every": 1}
        given |= {"data.train": str(image_folder), "data.num_threads": 1}
        return tiny.make("glow", given | overrides)

    return make


@pytest.mark.parametrize("bits", [1, 5, 8])
def test_quantised_values_can_be_read_off(bits):
    levels, key = 2**bits, jax.random.key(0)
    noisy = dequantised(VALUES / 255, key, bits)
    cells = np.floor(levels * np.asarray(noisy))
    np.testing.assert_array_equal(cells, VALUES // (256 // levels))
    spread = levels * noisy - cells
    assert spread.min() >= 0 and spread.max() < 1 and 0.4 < spread.mean() < 0.6


def test_the_published_rule_keeps_eight_bits():
    noisy = dequantised(VALUES / 255, jax.random.key(0), 5, "published")
    noise = 32 * (np.asarray(noisy) - VALUES / 255)
    assert noise.min() > -1e-4 and noise.max() < 1 + 1e-4
    assert len(np.unique(noise.round(2))) > 50


@pytest.mark.slow
def test_bits_of_a_fresh_network(make_glow):
    """Whitened once and otherwise a rotation: the bits of a standard normal."""
    recipe = GlowRecipe(make_glow(**{"loss.bits": 5}))
    images = jax.random.uniform(jax.random.key(0), (64, 8, 8, 1))
    images = jnp.round(255 * images) / 255
    params = jax.jit(recipe.init)(jax.random.key(1))
    params = recipe.warm_start(params, lambda: {"image": images})
    metrics = jax.jit(recipe.evaluate)(params, {"image": images}, jax.random.key(2))
    # Uniform pixels of 32 levels: a normal of their deviation, in units of a level.
    expected = 0.5 * np.log2(2 * np.pi * np.e / 12) + 5
    assert float(metrics["bits_per_dim"]) == pytest.approx(expected, abs=0.02)
    assert float(metrics["inversion_error"]) < 1e-5


def test_settings_that_do_not_fit(make_glow):
    with pytest.raises(InputError, match="data.dequantise=True: expected False"):
        GlowRecipe(make_glow(**{"data.dequantise": True}))
    with pytest.raises(InputError, match="patch_size=16: expected 8"):
        GlowRecipe(make_glow(**{"data.patch_size": 16}))


@pytest.mark.slow
def test_the_first_batch_is_whitened_alike_on_eight_devices(make_glow, tmp_path):
    states = []
    for count in (1, 8):
        folder = tmp_path / str(count)
        trainer = Trainer(make_glow(), folder, jax.devices()[:count])
        states.append(jax.device_get(trainer.state))
        trainer.close()
    fresh = jax.device_get(jax.jit(trainer.recipe.init)(jax.random.key(0)))
    found = states[0].params["block_0"]["steps"]["actnorm"]
    assert not np.allclose(
        found["scale"], fresh["block_0"]["steps"]["actnorm"]["scale"]
    )
    for one, eight in zip(*map(jax.tree.leaves, states), strict=True):
        np.testing.assert_allclose(eight, one, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_killed_in_the_first_batch_it_begins_anew(make_glow, tmp_path, monkeypatch):
    whole = run(make_glow(), tmp_path / "whole")
    whitened = GlowRecipe._whitened

    def killed(*arguments):
        whitened(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(GlowRecipe, "_whitened", killed)
        with pytest.raises(KeyboardInterrupt):
            Trainer(make_glow(), tmp_path / "killed", jax.devices()[:1])
    again = run(make_glow(), tmp_path / "killed")
    assert_same_bits(again.state, whole.state)
    np.testing.assert_array_equal(
        losses(tmp_path / "killed"), losses(tmp_path / "whole")
    )


@pytest.mark.slow
def test_it_learns_and_is_exported(make_glow, image_folder, tmp_path):
    config = make_glow(total_steps=60, eval_every=60, **{"data.val": str(image_folder)})
    trainer = run(config, tmp_path / "run")
    values = losses(tmp_path / "run")
    assert values[-10:].mean() < values[:10].mean() - 0.2
    assert (tmp_path / "run" / "sheets" / "curves_bits_per_dim.png").is_file()
    path = tmp_path / "w.safetensors"
    params = jax.device_get(trainer.state.ema)
    trainer.recipe.export(params, str(path), {"step": "60"})
    prior = load_prior(path)  # in half precision
    image = jax.random.uniform(jax.random.key(0), (8, 8, 1))
    back = prior.decode(prior.encode(image))
    np.testing.assert_allclose(back, image, atol=1e-4)
