"""Variants of equal size; the command, with its training replaced by random weights."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxrestore.experiments import groups
from jaxrestore.experiments.groups import load_config, parameters, variant
from jaxrestore.priors import PatchVDVAE, PatchVDVAEConfig, save_prior
from tests.priors.random_weights import random_prior
from tests.training import tiny

pytestmark = pytest.mark.slow


def test_variants_have_nearly_the_size_of_the_config():
    config = tiny.values("patch_vdvae")
    config["model"] |= {"groups": (3, 3), "top_down_filters": (96, 64)}
    before, own = (
        PatchVDVAEConfig.from_dict(values["model"])
        for values in (config, variant(config, 1))
    )
    assert own.groups == (1, 1)
    assert abs(parameters(own) / parameters(before) - 1) < 0.05


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
