"""Variants of equal size, and the command that trains them."""

import numpy as np

from configs.train import patch_vdvae_natural
from jaxrestore.experiments.variants import parameters, variant
from jaxrestore.training.patch_vdvae import PatchVDVAERecipe
from tests.training import tiny


def test_variants_have_nearly_the_size_of_the_config():
    config = patch_vdvae_natural.get_config()
    aim = parameters(config.model)
    own = variant(config, 1)
    assert own.model.groups == (1,) * 4
    assert abs(parameters(own.model) / aim - 1) < 0.05


def test_command_trains_restores_and_goes_on(experiment, monkeypatch, capsys):
    from jaxrestore.experiments import groups

    def config(name):
        own = tiny.patch_vdvae()
        own.batch_size = 8
        own.loss.eval_noise_levels = ()
        return own

    monkeypatch.setattr(groups, "load_config", config)
    monkeypatch.setattr(PatchVDVAERecipe, "sheets", lambda *_: {})
    flags = "--train={}/images", "--val={}/images"
    first = experiment("groups", *flags)
    assert [row["groups"] for row in first] == ["2"]
    assert np.isfinite(float(first[0]["bits_per_dim"])) and float(first[0]["psnr"]) > 3
    assert "step 2: stopped by total_steps" in capsys.readouterr().out
    assert experiment("groups", *flags) == first
    assert "stopped by" not in capsys.readouterr().out  # nothing is trained again
