"""The second decoder learns how wrong the first one is, and changes nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.nets.norm import STATISTICS
from jaxrestore.parameters import flatten
from jaxrestore.priors import load_prior
from jaxrestore.training import export
from jaxrestore.training.recipes.deviation import DeviationRecipe
from tests.training import tiny
from tests.training.runs import losses, run

pytestmark = pytest.mark.slow


def config(image_folder, prior, **more):
    given = {"data.train": str(image_folder), "data.num_threads": 1, "batch_size": 8}
    given |= {"total_steps": 30, "log_every": 1, "prior": str(prior)} | more
    return tiny.make("deviation", given)


def test_the_deviation_is_learned_and_the_rest_stays(
    image_folder, tiny_autoencoder, tmp_path
):
    made = config(image_folder, tiny_autoencoder)
    run(made, tmp_path / "run")
    found = losses(tmp_path / "run")
    assert np.mean(found[-5:]) < np.mean(found[:5]) - 0.5
    export.export(made, tmp_path / "run", tmp_path / "whole.safetensors")
    first, whole = (
        load_prior(tiny_autoencoder),
        load_prior(tmp_path / "whole.safetensors"),
    )
    assert whole.config.deviation and whole.config.rates == first.config.rates
    after = flatten(whole.params)
    for name, leaf in flatten(first.params).items():
        half = np.asarray(leaf, np.float16)  # as exported
        np.testing.assert_array_equal(after[name], half.astype(np.float32))
    with pytest.raises(InputError, match="is a CAE with a deviation"):
        config_of = config(image_folder, tmp_path / "whole.safetensors")
        DeviationRecipe(config_of)


def test_it_begins_at_one_number(image_folder, tiny_autoencoder):
    made = config(image_folder, tiny_autoencoder, **{"loss.initial_std": 0.03})
    recipe = DeviationRecipe(made)
    prior = recipe.prior(recipe.init(jax.random.key(0)), recipe.model)
    _, std = jax.jit(lambda z: prior.decode(z, (16, 16)))(jnp.ones((1, 1, 3)))
    np.testing.assert_allclose(std, 0.03 + 2e-4, rtol=1e-4)


def test_statistics_of_normalisation_stay(image_folder, tiny_autoencoder):
    recipe = DeviationRecipe(config(image_folder, tiny_autoencoder))
    ones = jnp.ones(3)
    params = {"norm": {"running_var": ones, "running_mean": ones, "scale": ones}}
    rule = recipe.optimizer(recipe.config)
    state = rule.init(params)
    for _ in range(3):
        steps, state = rule.update(params, state, params)
    assert not any(np.any(steps["norm"][name]) for name in STATISTICS)
    assert np.all(steps["norm"]["scale"])


def test_what_cannot_get_a_deviation(image_folder, tiny_prior):
    with pytest.raises(InputError, match="config.prior='': expected the trained auto"):
        DeviationRecipe(config(image_folder, ""))
    with pytest.raises(InputError, match="is a VDVAE, expected a CAE or a ConvVAE"):
        DeviationRecipe(config(image_folder, tiny_prior))
