"""The recipe of CVDVAE: what it learns, what stays frozen, when its rate falls."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore.cli import entry
from jaxrestore.cli.train import main
from jaxrestore.data.sources import open_sources
from jaxrestore.errors import InputError
from jaxrestore.priors import VDVAE, load_prior, read_metadata, save_prior
from jaxrestore.training import loop
from jaxrestore.training.export import export
from jaxrestore.training.loop import Trainer
from jaxrestore.training.recipes.cvdvae import CVDVAERecipe, Plateau
from jaxrestore.training.stopping import StopRequest
from tests.priors.random_weights import random_prior
from tests.training import tiny
from tests.training.runs import assert_same_bits, read_rows, run

pytestmark = pytest.mark.slow


@pytest.fixture
def make(image_folder, tiny_prior):
    """Tiny config with overrides."""

    def make(**overrides):
        given = {"prior": str(tiny_prior), "batch_size": 8, "log_every": 1}
        given |= {"data.train": str(image_folder), "data.val": str(image_folder)}
        given |= {"data.num_threads": 1, "eval_batches": 1, "eval_every": 20}
        return tiny.make("cvdvae", given | {"total_steps": 40} | overrides)

    return make


def sizes(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree) if leaf.ndim)


def test_it_learns_and_the_prior_is_frozen(make, tiny_prior, tmp_path):
    before = load_prior(tiny_prior)
    trainer = run(make(total_steps=80, eval_every=80), tmp_path)
    rows = read_rows(tmp_path)
    kl = [float(row["kl"]) for row in rows if row["kl"]]
    assert np.mean(kl[-10:]) < 0.5 * np.mean(kl[:5])
    # Bit for bit, on the device and in the recipe.
    placed = jax.device_get(trainer._frozen)
    jax.tree.map(np.testing.assert_array_equal, placed, before.params)
    # The state holds the encoder, its average and two moments, and nothing else.
    state, own = trainer.state, sizes(trainer.state.params)
    assert own < sizes(before.params)
    assert sizes(state.ema) == own and sizes(state.opt_state) == 2 * own
    sheet = next((tmp_path / "sheets").glob("*samples*"))
    assert sheet.stat().st_size > 1000


def test_a_gradient_of_the_prior_is_never_asked_for(make):
    config = make()
    recipe = CVDVAERecipe(config)
    params = jax.eval_shape(recipe.init, jax.random.key(0))
    gradient = jax.eval_shape(
        jax.grad(lambda p, b, f: recipe.loss(p, b, jax.random.key(0), 0, f)[0]),
        params,
        {"image": jnp.zeros((2, 8, 8, 1))},
        recipe.frozen,
    )
    assert jax.tree.structure(gradient) == jax.tree.structure(params)
    assert set(params) == {"bottom_up", "posterior"}


def test_export_and_its_prior(make, tiny_prior, image_folder, tmp_path, monkeypatch):
    run(make(total_steps=2), tmp_path / "run")
    path = tmp_path / "encoder.safetensors"
    export(make(total_steps=2), tmp_path / "run", path)
    encoder, header = load_prior(path), read_metadata(path)
    encoder.check_prior(load_prior(tiny_prior))
    other = tmp_path / "other.safetensors"
    save_prior(random_prior(VDVAE, tiny.TINY, seed=9), other, {})
    with pytest.raises(InputError, match="config.prior=.* differs"):
        export(make(total_steps=2, prior=str(other)), tmp_path / "run", path)
    assert header["step"] == "2" and str(tiny_prior.parent) not in str(header)
    assert tiny_prior.name in header["training_config"]


def test_images_are_opened_once(make, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        loop,
        "open_sources",
        lambda data, split: opened.append(split) or open_sources(data, split),
    )
    Trainer(make(), tmp_path, jax.devices()[:1]).close()
    assert opened == ["train", "val"]


def test_another_prior_does_not_resume(make, tmp_path):
    run(make(total_steps=1), tmp_path / "run")
    other = tmp_path / "other.safetensors"
    save_prior(random_prior(VDVAE, tiny.TINY, seed=9), other, {})
    with pytest.raises(InputError, match="config.prior=.* differs from the checkpoint"):
        Trainer(make(prior=str(other)), tmp_path / "run", jax.devices()[:1])


def test_plateau_divides_the_rate():
    plateau = Plateau(patience=2)
    optimizer = optax.chain(optax.sgd(1.0), plateau.transformation)
    state = optimizer.init(jnp.zeros(2))
    scales = []
    for loss in (3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0):
        state = (*state[:-1], plateau.advance(state[-1], loss))
        update, state = optimizer.update(jnp.ones(2), state)
        scales.append(float(-update[0]))
    assert scales[:3] == [1, 1, 1] and scales[-1] == pytest.approx(0.1)


def test_a_resumed_run_decides_alike(make, tmp_path, monkeypatch):
    # Validation at every step, patience 1: the rate falls within a few steps.
    settings = {"eval_every": 1, "total_steps": 5, "optimizer.patience": 1}
    settings["optimizer.learning_rate"] = settings["optimizer.final_learning_rate"] = (
        1e-12
    )
    whole = run(make(**settings), tmp_path / "whole")
    asked = itertools.count(1)
    monkeypatch.setattr(
        StopRequest, "reason", lambda _: "SIGTERM" if next(asked) == 3 else None
    )
    run(make(**settings), tmp_path / "parts")
    parts = run(make(**settings), tmp_path / "parts")
    assert float(whole.state.opt_state[-1].scale) < 1
    assert_same_bits(parts.state, whole.state)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"prior": ""}, "config.prior='': expected the VDVAE"),
        ({"prior": "nobody"}, "prior='nobody'"),
        ({"prior": "vae-faces64"}, "is a VAE, expected a VDVAE"),
        ({"model.factor": 3}, "^model.factor=3: .*expected one of 2"),
        ({"model.groups": 9}, "model.groups=9: expected 1 to 2"),
        ({"model.kernel": "no.npy"}, "no.npy does not exist"),
        ({"data.patch_size": 16}, "config.data.patch_size=16: expected 8"),
        ({"data.val": ""}, "config.data.val='': expected images"),
        ({"optimizer.patience": 0}, "config.optimizer.patience=0"),
        ({"data.channels": 3}, "config.data.channels=3: expected 1"),
    ],
)
def test_mistakes(make, settings, message):
    with pytest.raises(InputError, match=message):
        CVDVAERecipe(make(**settings))


def test_the_command_line_in_one_line(image_folder, tmp_path, capsys):
    arguments = [
        "--config=cvdvae_faces64:3",
        f"--config.data.val={image_folder}",
        f"--config.data.train={image_folder}",
        f"--workdir={tmp_path}",
    ]
    assert entry.run_command(main, ["train.py", *arguments]) == 2
    error = capsys.readouterr().err
    assert "model.factor=3" in error and error.count("\n") == 1
