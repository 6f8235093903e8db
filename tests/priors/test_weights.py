"""Weights files: round trip, and every way in which one can be wrong."""

import jax
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.priors import (
    PatchVDVAE,
    load_prior,
    read_metadata,
    registry,
    save_prior,
)
from tests.priors.random_weights import random_prior
from tests.priors.test_patch_vdvae import CONFIG


@pytest.fixture(scope="module")
def prior():
    return random_prior(PatchVDVAE, CONFIG)


def test_round_trip(prior, tmp_path):
    path = tmp_path / "a.safetensors"
    digest = save_prior(prior, path, {"step": "3", "licence": "MIT"})
    again = load_prior(path)
    assert again.config == prior.config
    jax.tree.map(np.testing.assert_array_equal, again.params, prior.params)
    assert read_metadata(path)["step"] == "3" and len(digest) == 64
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_half_precision_is_half_the_size(prior, tmp_path):
    full, half = tmp_path / "full", tmp_path / "half"
    save_prior(prior, full, {})
    save_prior(prior, half, {}, dtype="float16")
    values = 4 * sum(leaf.size for leaf in jax.tree.leaves(prior))
    assert full.stat().st_size - half.stat().st_size == pytest.approx(values / 2, 0.02)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3),
        load_prior(half).params,
        prior.params,
    )


def test_unknown_name():
    with pytest.raises(InputError, match="neither a bundled prior"):
        load_prior("no-such-prior")


def test_damaged_file(prior, tmp_path):
    path = tmp_path / "a.safetensors"
    save_prior(prior, path, {})
    content = path.read_bytes()
    for wrong in (content[:-10], b"not weights at all", b""):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match="not a readable"):
            load_prior(path)


def test_file_of_another_architecture(prior, tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "a.safetensors"
    save_file({"w": np.zeros(2, np.float32)}, path)
    with pytest.raises(InputError, match="architecture None is unknown"):
        load_prior(path)
    save_prior(PatchVDVAE({"w": np.zeros(2, np.float32)}, CONFIG), path, {})
    with pytest.raises(InputError, match="another architecture"):
        load_prior(path)


def _stored(path, prior, **changes):
    """Writes a prior's file with other values in its header."""
    from safetensors.numpy import load_file, save_file

    save_prior(prior, path, {})
    save_file(load_file(path), path, read_metadata(path) | changes)


def test_config_in_the_header(prior, tmp_path):
    path = tmp_path / "a.safetensors"
    for config, message in (
        ("{", "not JSON"),
        ("[1]", "expected a mapping"),
        ('{"decoder_std": "abc"}', "decoder_std=abc: not a number"),
    ):
        _stored(path, prior, config=config)
        with pytest.raises(InputError, match=message) as caught:
            load_prior(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(prior, tmp_path, value):
    head = dict(prior.params["top_down"]["head"])
    head["bias"] = head["bias"].at[0].set(value)
    params = prior.params | {"top_down": prior.params["top_down"] | {"head": head}}
    save_prior(PatchVDVAE(params, CONFIG), tmp_path / "a.safetensors", {})
    with pytest.raises(InputError, match="top_down/head/bias holds NaN"):
        load_prior(tmp_path / "a.safetensors")


def test_weights_of_a_shape_that_would_do(prior, tmp_path):
    """Broadcast, the network would run."""
    head = dict(prior.params["top_down"]["head"])
    head["bias"] = head["bias"][:1]
    params = prior.params | {"top_down": prior.params["top_down"] | {"head": head}}
    save_prior(PatchVDVAE(params, CONFIG), tmp_path / "a.safetensors", {})
    with pytest.raises(InputError, match="another architecture"):
        load_prior(tmp_path / "a.safetensors")


def test_bundled_hash_is_checked(prior, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.BUNDLED, "bad", "0" * 64)
    from jaxrestore.priors import weights

    monkeypatch.setattr(weights.resources, "files", lambda package: tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "bad.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="SHA-256"):
        load_prior("bad")


def test_target_folder_missing(prior, tmp_path):
    with pytest.raises(InputError, match="cannot"):
        save_prior(prior, tmp_path / "no" / "a.safetensors", {})
