"""What the loop promises for every recipe, on its own loss and optimiser."""

import itertools

import jax
import numpy as np
import pytest

from jaxrestore.training.stopping import StopRequest
from tests.training import tiny
from tests.training.runs import assert_same_bits, losses, run

pytestmark = pytest.mark.slow
_MUON = [f"{name}, muon" for name in ("vdvae", "cvdvae")]


@pytest.fixture(params=[*tiny.RECIPES, *_MUON])
def make_tiny(request, image_folder, tiny_prior, tiny_autoencoder):
    """Tiny config of a recipe with overrides, e.g. make_tiny(total_steps=5)."""
    name, *optimizer = request.param.split(", ")

    def make(**overrides):
        given = {"batch_size": 8, "total_steps": 8, "log_every": 1}
        given |= {"data.train": str(image_folder), "data.num_threads": 1}
        given |= {"checkpoint_every": 100}
        if name == "cvdvae":
            given |= {"prior": str(tiny_prior), "data.val": str(image_folder)}
        if name == "deviation":
            given |= {"prior": str(tiny_autoencoder)}
        if optimizer:
            given |= {"optimizer.name": optimizer[0], "sharding": (("kernel", "fsdp"),)}
        return tiny.make(name, given | overrides)

    return make


@pytest.fixture(scope="module")
def whole_runs():
    """Recipe -> its run on one device to the end, which both tests compare with."""
    return {}


@pytest.fixture
def whole(request, make_tiny, whole_runs, tmp_path_factory):
    """Trainer and folder of that run."""
    recipe = request.node.callspec.params["make_tiny"]
    if recipe not in whole_runs:
        folder = tmp_path_factory.mktemp("whole")
        whole_runs[recipe] = run(make_tiny(), folder), folder
    return whole_runs[recipe]


def test_eight_devices_train_as_one(make_tiny, whole, tmp_path):
    one, folder = whole
    eight = run(make_tiny(), tmp_path / "eight", devices=8)
    assert losses(folder).shape == (8,)
    assert int(one.state.skipped) == int(eight.state.skipped) == 0
    np.testing.assert_allclose(losses(tmp_path / "eight"), losses(folder), rtol=1e-4)


def test_resume_is_exact(make_tiny, whole, tmp_path, monkeypatch):
    asked = itertools.count(1)
    monkeypatch.setattr(
        StopRequest, "reason", lambda _: "SIGTERM" if next(asked) == 3 else None
    )
    first = run(make_tiny(), tmp_path / "parts")
    assert int(first.state.step) == 3
    parts = run(make_tiny(), tmp_path / "parts")
    assert_same_bits(parts.state, whole[0].state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(parts.state.params))
