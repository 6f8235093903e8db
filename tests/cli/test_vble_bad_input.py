"""Mistakes with autoencoders: one line, exit code 2, no folder."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.solve import main
from jaxrestore.experiments.command import main as experiments
from jaxrestore.priors import CAE, CAEConfig, save_prior
from jaxrestore.priors.weights import read_metadata
from tests.priors.random_weights import random_prior

CONFIG = CAEConfig("mean", 4, 3, rates=(0.01, 0.1))


@pytest.fixture
def weights(tmp_path):
    """weights(**header): a file whose header says something else."""
    save_prior(random_prior(CAE, CONFIG), tmp_path / "cae.safetensors", {})

    def weights(**header):
        whole = tmp_path / "cae.safetensors"
        told = read_metadata(whole) | header
        save_file(load_file(whole), tmp_path / "told.safetensors", metadata=told)
        return tmp_path / "told.safetensors"

    return weights


@pytest.fixture
def refused(tmp_path, photo, capsys):
    """refused(prior, *arguments, says=...): runs solve.py and checks the one line."""

    def refused(prior, *arguments, says, shape=(32, 40, 3)):
        line = [
            "solve.py",
            "--config=gaussian_deblur",
            f"--prior={prior}",
            f"--input={photo(shape=shape)}",
            f"--output={tmp_path}/out",
            "--solver.name=vble",
            "--kernel.size=5",
            "--simulate",
            *arguments,
        ]
        assert run_command(main, line) == 2
        told = capsys.readouterr().err.strip().splitlines()
        assert len(told) == 1 and says in told[0], told
        assert not (tmp_path / "out").exists()

    return refused


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"architecture": "gan"}, "architecture 'gan' is unknown"),
        ({"architecture": "conv_vae"}, "told.safetensors': model.kind: unknown"),
        ({"config": CAEConfig("mean", 6, 3)}, "shape (4,), its config expects (6,)"),
        ({"config": CAEConfig("context", 4, 3)}, "belongs to another architecture"),
    ],
)
def test_weights_of_another_architecture(weights, refused, header, says):
    told = {
        name: value if isinstance(value, str) else json.dumps(value.to_dict())
        for name, value in header.items()
    }
    refused(weights(**told), says=says)


@pytest.mark.parametrize(
    ("prior", "says"),
    [
        ("alr-natural", "prior: a Critic is of no use to vble"),
        ("vae-faces64", "knows grey images only"),
        ("no-such", "neither a bundled prior"),
    ],
)
def test_bundled_weights_that_do_not_suit(refused, prior, says):
    refused(prior, says=says)


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--solver.rate=0.5", "rate=0.5: expected from 0.01 to 0.1"),
        ("--solver.rate=0", "rate=0: expected a number above 0"),
        ("--solver.rate=low", "rate=low: not a number"),
        ("--noise_std=0", "--noise_std=0: expected a standard deviation above 0"),
        ("--noise_std=0/255", "--noise_std=0/255: expected a standard deviation"),
        ("--posterior.n_samples=1", "n_samples=1: expected a whole number from 2"),
    ],
)
def test_settings(weights, refused, argument, says):
    refused(weights(), argument, says=says)


def test_rates_of_what_has_none(refused):
    grey = {"shape": (64, 64)}
    refused("vae-faces64", "--solver.rate=0.01", says="a VAE has no rates", **grey)
    refused("vae-faces64", "--solver.rate=auto", says="has no rate", **grey)


def test_an_image_smaller_than_its_blur(weights, refused):
    refused(weights(), says="5x5 is larger than the image's 3x2", shape=(3, 2, 3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["posterior", "--noise=0"], "--noise=0: expected a level above 0"),
        (["posterior", "--rate=0.5"], "rate=0.5: expected from 0.01 to 0.1"),
        (["satellite", "--rate=0.5"], "rate=0.5: expected from 0.01 to 0.1"),
        (["satellite", "--transfer=1"], "--transfer=1: expected a number from 0.01"),
        (["satellite", "--reduce=33"], "--reduce=33: image photo has 32 x 32"),
        (["satellite", "--prior=alr-natural"], "a Critic is of no use to vble"),
        (["satellite", "--prior=cvdvae-faces64-x2"], "LowResEncoder is of no use"),
    ],
)
def test_experiments(weights, photo, tmp_path, capsys, flags, says):
    where = f"--images={photo().parent}", f"--prior={weights()}"
    where += f"--out={tmp_path}/out", "--methods=VBLE", "--quick"
    assert run_command(experiments, ["experiments", flags[0], *where, *flags[1:]]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and says in told[0], told
    assert not [*(tmp_path / "out").glob("*")]


def test_a_small_photograph_is_continued():
    image = np.random.default_rng(0).random((9, 7, 3), np.float32)
    prior = random_prior(CAE, CONFIG)
    whole = np.pad(image, ((0, 55), (0, 57), (0, 0)), mode="edge")
    for one, other in zip(prior.encode(image), prior.encode(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
