"""Variants of equal size; the command, with its training replaced by random weights."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.experiments import groups
from jaxrestore.experiments.groups import load_config, parameters, variant
from jaxrestore.priors import PatchVDVAE, PatchVDVAEConfig, save_prior
from tests.priors.random_weights import random_prior
from tests.training import tiny

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["patch_vdvae_groups", "patch_vdvae_published"])
def test_variants_have_the_size_and_depth_of_the_config(name):
    config = load_config(name)
    whole = PatchVDVAEConfig.from_dict(config["model"])
    assert whole.num_groups == 36
    for count, total in zip((1, 2, 3, 6), (6, 12, 18, 36), strict=True):
        own = PatchVDVAEConfig.from_dict(variant(config, count)["model"])
        assert own.num_groups == total and own.depth == 36
        assert abs(parameters(own) / parameters(whole) - 1) < 0.01
    with pytest.raises(InputError, match="--groups=4: expected divisors"):
        variant(config, 4)


def test_configs_are_found_by_name():
    assert load_config("patch_vdvae_thesis")["model"]["groups"] == (5,) * 6


def test_command_goes_on_where_it_was(experiment, monkeypatch):
    trainings = []

    def train(config, workdir):  # the loop has its own tests, and compiles for long
        trainings.append((workdir.name, config.total_steps))
        workdir.mkdir(parents=True, exist_ok=True)
        (workdir / "metrics.csv").write_text("step,val_bits_per_dim\n1,3.5\n2,\n")
        return SimpleNamespace(step=config.total_steps)

    def export(config, workdir, path):
        save_prior(random_prior(PatchVDVAE, config.model), path, {})

    monkeypatch.setattr(groups, "load_config", lambda name: tiny.values("patch_vdvae"))
    monkeypatch.setattr(groups, "variant", lambda config, count: config)
    monkeypatch.setattr(groups, "train", train)
    monkeypatch.setattr(groups, "export", export)
    flags = "--train={}/images", "--val={}/images"
    rows = experiment("groups", *flags)
    assert [(row["groups"], row["bits_per_dim"]) for row in rows] == [("2", "3.5")]
    assert np.isfinite(float(rows[0]["psnr"]))
    assert experiment("groups", *flags) == rows
    experiment("groups", *flags, "--steps=3")
    assert trainings == [("groups_1", 2), ("groups_1", 3)]  # finished: not opened again
