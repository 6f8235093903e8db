"""Checkpoints of others: there and back, bit for bit, and what is refused."""

import json
import pickle
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

from jaxrestore.cli.entry import run_command
from jaxrestore.convert import FORMATS, from_state_dict, to_state_dict
from jaxrestore.convert.__main__ import main
from jaxrestore.convert.tensors import their_shapes
from jaxrestore.errors import InputError
from jaxrestore.parameters import shapes_of
from jaxrestore.priors import (
    VDVAE,
    Glow,
    GlowConfig,
    PatchVDVAE,
    load_prior,
    read_metadata,
)
from tests.parity import golden
from tests.parity.conftest import _DEFAULT as GOLDENS
from tests.priors.random_weights import random_glow, random_prior

GLOW = GlowConfig(16, 3, (2, 2), (8, 8), "affine", "plain_but_last")
CONFIGS = {"vdvae": golden.VDVAE_CONFIG, "patch_vdvae": golden.CONFIG, "glow": GLOW}
BUFFERS = {"shift", "scale"}  # PnP-HVAE's copy of VDVAE keeps them with the weights


def weights(format):
    if format == "glow":
        with np.load(GOLDENS / "glow_affine.npz") as file:
            return {k[2:]: v for k, v in file.items() if k.startswith("w/")}
    return golden.weights({"vdvae": "vdvae_tiny"}.get(format, "patchvdvae_tiny"))


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def format(request):
    return request.param


@pytest.fixture(scope="module")
def tiny(format):
    """(format, config, tensors by their names)"""
    arrays = {k: v for k, v in weights(format).items() if k not in BUFFERS}
    return format, CONFIGS[format], arrays


def test_round_trip_is_the_identity(tiny):
    format, config, arrays = tiny
    back = to_state_dict(from_state_dict(arrays, format, config))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array, err_msg=name)


def test_prefix_of_parallel_training(tiny):
    format, config, arrays = tiny
    prefixed = {f"module.{name}": array for name, array in arrays.items()}
    ours, plain = (from_state_dict(a, format, config) for a in (prefixed, arrays))
    jax.tree.map(np.testing.assert_array_equal, ours.params, plain.params)


def _without(arrays, name):
    return {key: value for key, value in arrays.items() if key != name}


def test_what_does_not_fit_is_named(tiny):
    format, config, arrays = tiny
    last = "net.0.weight" if format == "glow" else "1.weight"
    name = max((n for n in arrays if n.endswith(last)), key=len)
    for wrong, message in (
        (_without(arrays, name), f"{name} is missing"),
        (_without(arrays, name) | {"new": arrays[name]}, f"{name} is missing"),
        (arrays | {"extra": np.zeros(1)}, "extra does not belong"),
        (arrays | {name: arrays[name].swapaxes(0, 1)}, f"{name} has shape"),
    ):
        with pytest.raises(InputError, match=message):
            from_state_dict(wrong, format, config)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "holds NaN"),
        (np.inf, "holds NaN, infinite"),
        (1e300, "beyond float32"),
        (1j, "type complex128, expected real"),
        ("text", "expected real"),
        (None, "type object, expected real"),
    ],
)
def test_values_that_are_no_weights(tiny, value, message):
    format, config, arrays = tiny
    name = next(iter(arrays))
    wrong = np.full(arrays[name].shape, value)
    with pytest.raises(InputError, match=f"source: tensor {name} .*{message}"):
        from_state_dict(arrays | {name: wrong}, format, config)


def test_names_that_are_none(tiny):
    format, config, arrays = tiny
    name = next(iter(arrays))
    for wrong, message in (({3: 1}, "3 is no name"), ({f"module.{name}": 1}, "twice")):
        with pytest.raises(InputError, match=f"source: .*{message}"):
            from_state_dict(arrays | wrong, format, config)


def test_constants_beside_the_weights():
    arrays = weights("vdvae")
    assert arrays.keys() > BUFFERS
    from_state_dict(arrays, "vdvae", golden.VDVAE_CONFIG)
    for wrong in (arrays["shift"] + 1, np.ones(3), np.nan, "text"):
        with pytest.raises(InputError, match="source: .*shift"):
            from_state_dict(arrays | {"shift": wrong}, "vdvae", golden.VDVAE_CONFIG)
    unshifted = replace(golden.VDVAE_CONFIG, input_shift=0.0)
    with pytest.raises(InputError, match="input_shift 0; pass the config"):
        from_state_dict(arrays, "vdvae", unshifted)
    from_state_dict(arrays | {"shift": 0.0}, "vdvae", unshifted)


def test_unknown_names():
    with pytest.raises(InputError, match="format='gan'"):
        from_state_dict({}, "gan")
    with pytest.raises(InputError, match="config='ffhq'"):
        from_state_dict({}, "vdvae", "ffhq")


def test_configs_that_the_tensors_tell():
    assert from_state_dict(weights("patch_vdvae"), "patch_vdvae").config == (
        golden.CONFIG
    )
    module = FORMATS["patch_vdvae"]
    for config in module.CONFIGS.values():
        table = list(module.tensors(config))
        shapes = their_shapes(table, shapes_of(PatchVDVAE, config))
        assert module.infer(shapes) == config
    module = FORMATS["vdvae"]
    for config in module.CONFIGS.values():
        names = dict.fromkeys((t.name for t in module.tensors(config)), ())
        assert module.infer(names) == config
    found = from_state_dict(weights("glow"), "glow").config
    assert found == replace(GLOW, image_size=64)  # which the tensors do not tell
    for config in (CONFIGS["glow"], FORMATS["glow"].CONFIGS["published"]):
        table = list(FORMATS["glow"].tensors(config))
        shapes = their_shapes(table, shapes_of(Glow, config))
        assert FORMATS["glow"].infer(shapes) == replace(config, image_size=64)
    for format in FORMATS:
        with pytest.raises(InputError, match="do not tell"):
            from_state_dict({"a.weight": np.zeros((1, 1))}, format)


def test_networks_that_the_original_code_lacks():
    prior = golden.vdvae()
    grown = VDVAE({**prior.params, "shortcut": np.zeros(1)}, prior.config)
    with pytest.raises(InputError, match="parameter shortcut has no counterpart"):
        to_state_dict(grown)


def _run(*arguments):
    return run_command(main, ["convert", *map(str, arguments)])


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(golden.VDVAE_CONFIG.to_dict()))
    return f"--config={path}"


def test_command_line_on_npz(tmp_path, config_file):
    source, out = tmp_path / "w.npz", tmp_path / "w.safetensors"
    np.savez(source, **weights("vdvae"))
    assert _run("--format=vdvae", config_file, source, out) == 0
    prior = load_prior(out)
    assert prior.config == golden.VDVAE_CONFIG
    jax.tree.map(np.testing.assert_array_equal, prior.params, golden.vdvae().params)
    assert read_metadata(out)["description"] == "converted from w.npz"


def _refused(capsys, out, *arguments):
    assert _run(*arguments) == 2
    assert not out.exists()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    return lines[0]


def test_command_line_refusals(tmp_path, config_file, capsys):
    source, out = tmp_path / "w.npz", tmp_path / "w.safetensors"
    arrays = weights("vdvae")

    def refused(*arguments):
        return _refused(capsys, out, *arguments)

    assert "no such file" in refused("--format=vdvae", tmp_path / "none.th", out)
    np.savez(source, **arrays)
    assert "--format is missing" in refused(source, out)
    assert "invalid choice" in refused("--format=gan", source, out)
    assert "do not tell" in refused("--format=vdvae", source, out)
    assert "in_conv" in refused("--format=vdvae", "--config=ffhq256", source, out)
    assert "cannot write" in refused(
        "--format=vdvae", config_file, source, tmp_path / "no" / "w.safetensors"
    )
    source.write_bytes(source.read_bytes()[:-200])
    assert "not readable" in refused("--format=vdvae", config_file, source, out)
    np.savez(source, code=np.array([_RunsCode()], dtype=object))
    assert "not readable" in refused("--format=vdvae", config_file, source, out)
    assert not _RunsCode.ran
    (tmp_path / "bad.json").write_text("{")
    bad = f"--config={tmp_path / 'bad.json'}"
    assert "not a readable JSON" in refused("--format=vdvae", bad, source, out)


class _RunsCode:
    ran = False

    def __reduce__(self):
        return _ran, ()


def _ran():
    _RunsCode.ran = True


def test_torch_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    source, out = tmp_path / "w.th", tmp_path / "w.safetensors"
    source.write_bytes(b"")
    message = _refused(capsys, out, "--format=vdvae", source, out)
    assert "pip install torch" in message


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def test_torch_there_and_back(torch, tmp_path):
    """From an EMA checkpoint to ours, and to the state_dict that it held."""
    source, ours, back = (tmp_path / name for name in ("a.pt", "b.safetensors", "c.pt"))
    arrays = weights("patch_vdvae")
    ema = {k: torch.from_numpy(v) for k, v in arrays.items()}
    plain = {k: torch.zeros_like(v) for k, v in ema.items()}
    torch.save(
        {"model_state_dict": plain, "ema_model_state_dict": ema, "step": 3}, source
    )
    assert _run("--format=patch_vdvae", source, ours) == 0
    assert _run("--export-torch", ours, back) == 0
    stored = torch.load(back, weights_only=True)
    for section in ("model_state_dict", "ema_model_state_dict"):
        assert stored[section].keys() == arrays.keys()
        for name, tensor in stored[section].items():
            np.testing.assert_array_equal(tensor.numpy(), arrays[name])


def test_torch_plain_state_dict(torch, tmp_path, config_file):
    source, ours, back = (tmp_path / name for name in ("a.th", "b.safetensors", "c.th"))
    arrays = weights("vdvae")
    content = {f"module.{k}": torch.from_numpy(v) for k, v in arrays.items()}
    torch.save(content, source, _use_new_zipfile_serialization=False)  # as released
    assert _run("--format=vdvae", config_file, source, ours) == 0
    assert _run("--export-torch", ours, back) == 0
    stored = torch.load(back, weights_only=True)
    assert stored.keys() == arrays.keys() - BUFFERS
    for name, tensor in stored.items():
        np.testing.assert_array_equal(tensor.numpy(), arrays[name])


def test_torch_files_that_are_refused(torch, tmp_path, config_file, capsys):
    source, out = tmp_path / "w.th", tmp_path / "w.safetensors"

    def refused(*, message):
        assert message in _refused(
            capsys, out, "--format=vdvae", config_file, source, out
        )

    content = {k: torch.from_numpy(v) for k, v in weights("vdvae").items()}
    for zipped in (True, False):
        torch.save(content, source, _use_new_zipfile_serialization=zipped)
        source.write_bytes(source.read_bytes()[:-5000])
        refused(message="not readable")
    source.write_bytes(pickle.dumps(_RunsCode()))
    refused(message="not readable")
    torch.save({"a": _RunsCode()}, source)
    refused(message="not readable")
    assert not _RunsCode.ran
    torch.save({"a": 1}, source)
    refused(message="a is a int")
    torch.save([1], source)
    refused(message="holds a list")


def test_masks_of_a_flow_are_checked():
    arrays = weights("glow")
    name = "blocks.1.flows.0.invconv.l_mask"
    with pytest.raises(InputError, match=f"source: {name} is not what"):
        from_state_dict(arrays | {name: arrays[name].T}, "glow", GLOW)


@pytest.mark.parametrize("change", [{"coupling": "affine_exp"}, {"mixing": "plain"}])
def test_flows_that_the_original_code_lacks(change):
    with pytest.raises(InputError, match="original code has no such Glow"):
        to_state_dict(random_glow(replace(GLOW, **change)))


def test_networks_that_the_original_code_lacks_are_not_written():
    config = replace(golden.CONFIG, patch=2)
    with pytest.raises(InputError, match="patch=2.*original code lacks"):
        to_state_dict(random_prior(PatchVDVAE, config))
