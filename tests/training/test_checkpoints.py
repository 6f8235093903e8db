"""Checkpoints that cannot be written or read, and exported weights."""

import errno
import json
import shutil
from collections import namedtuple

import jax
import numpy as np
import pytest
from safetensors import safe_open

from jaxrestore.errors import InputError
from jaxrestore.training.config import saved_values, train_config
from jaxrestore.training.export import export
from jaxrestore.training.loop import Trainer

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def trained(make_config, tmp_path):
    """Config and workdir of a run of five steps."""
    trainer = Trainer(make_config(total_steps=5), tmp_path, jax.devices()[:1])
    trainer.run()
    trainer.close()
    return make_config(), tmp_path


def assert_intact(config, workdir):
    trainer = Trainer(config, workdir, jax.devices()[:1])
    assert trainer.step == 5
    trainer.close()
    assert [p.name for p in (workdir / "checkpoints").iterdir()] == ["5"]


@pytest.mark.parametrize("how", ["no room", "write fails"])
def test_full_disk(trained, monkeypatch, how):
    config, workdir = trained
    trainer = Trainer(config, workdir, jax.devices()[:1])
    if how == "no room":
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(9, 9, 1))
    else:

        def fail(step, args):
            (workdir / "checkpoints" / f"{step}.orbax-checkpoint-tmp").mkdir()
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(trainer.checkpoints._manager, "save", fail)
    with pytest.raises(InputError, match="step 10.*no space left.*step 5, intact"):
        trainer.run()
    trainer.close()
    monkeypatch.undo()
    assert_intact(config, workdir)


def test_unreadable_checkpoint_is_named(trained):
    config, workdir = trained
    shutil.rmtree(workdir / "checkpoints" / "5" / "state" / "d")
    with pytest.raises(InputError, match="checkpoints/5 cannot be read.*delete"):
        Trainer(config, workdir, jax.devices()[:1])


def test_unwritable_workdir(make_config, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="--workdir=.*cannot write there"):
        Trainer(make_config(), tmp_path / "file" / "run")


def test_export_holds_ema_and_provenance(trained, tmp_path):
    config, workdir = trained
    path = tmp_path / "out" / "weights.safetensors"
    export(train_config(saved_values(workdir)), workdir, path)
    trainer = Trainer(config, workdir, jax.devices()[:1])
    trainer.close()
    with safe_open(path, "numpy") as file:
        np.testing.assert_array_equal(
            file.get_tensor("encoder.kernel"), trainer.state.ema["encoder"]["kernel"]
        )
        metadata = file.metadata()
    assert metadata["step"] == "5" and metadata["seed"] == "0"
    assert json.loads(metadata["config"])["model"] == {"width": 2}
    assert {"commit", "data", "licence", "recipe"} <= metadata.keys()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_export_without_checkpoint(make_config, tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        export(make_config(), tmp_path, tmp_path / "weights.safetensors")
    assert not list(tmp_path.iterdir())
