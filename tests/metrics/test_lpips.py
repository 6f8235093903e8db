"""LPIPS against the lpips package 0.1.4, on shared random weights.

`tests/data/lpips.npz` holds two crops (35x46 uint8: one of scikit-image's astronaut and
the same with noise) and for each network the terms of the sum that
`lpips.LPIPS(pretrained=False, pnet_rand=True, net=...)` gave for them
(`retPerLayer=True, normalize=True`; torch 2.13, torchvision 0.28) after its tensors had
been set, under torchvision's names, by the rule of `_random` below.
"""

import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxrestore.convert import lpips as convert
from jaxrestore.convert.__main__ import main
from jaxrestore.convert.tensors import their_shapes
from jaxrestore.errors import InputError
from jaxrestore.metrics import LPIPS, average_pairwise_distance, load_lpips
from jaxrestore.metrics.lpips import save_lpips
from jaxrestore.parameters import shapes_of, write_params
from tests.parity.golden import load

NETWORKS = ("alex", "vgg", "squeeze")


def _random(name, shape):
    normal = np.random.default_rng(zlib.crc32(name.encode())).standard_normal
    value = normal(shape, np.float32)
    if len(shape) == 1:
        return 0.1 * value
    if shape[0] == 1:  # a head
        return np.abs(value)
    return value * np.float32(np.sqrt(2 / np.prod(shape[1:])))


@functools.cache
def _state_dict(network):
    ours = shapes_of(LPIPS, network)
    shapes = their_shapes(list(convert.tensors(network)), ours)
    return {name: _random(name, shape) for name, shape in shapes.items()}


def _pair():
    golden = load("lpips")
    pair = [golden[name] / np.float32(255) for name in ("image", "reference")]
    return golden, *pair


@pytest.mark.parametrize("network", NETWORKS)
def test_equal_to_the_package(network):
    """To 1e-5 in every term, inferred from the tensors, under jit and vmap."""
    golden, image, reference = _pair()
    distance = convert.from_state_dicts(_state_dict(network))
    assert distance.network == network
    terms = jax.jit(jax.vmap(LPIPS.per_layer, (None, 0, 0)))
    pairs = jnp.stack([image, reference]), jnp.stack([reference, reference])
    got, zero = terms(distance, *pairs)
    np.testing.assert_allclose(got, golden[network], atol=1e-5)
    np.testing.assert_allclose(zero, 0, atol=1e-12)


@pytest.fixture(scope="module")
def squeeze():
    return convert.from_state_dicts(_state_dict("squeeze"))


def test_whole_models_and_parts_convert_alike(squeeze, tmp_path):
    """The names of a whole lpips.LPIPS; classifier and heads in two files."""
    state = _state_dict("squeeze")
    heads = {k: v for k, v in state.items() if k.startswith("lin")}
    classifier = {k: v for k, v in state.items() if k not in heads}
    whole = {
        f"net.slice1.{k.removeprefix('features.')}": v for k, v in classifier.items()
    }
    whole |= heads | {f"lins.{k[3:]}": v for k, v in heads.items()}
    whole["scaling_layer.shift"] = np.zeros((1, 3, 1, 1), np.float32)
    files = [str(tmp_path / name) for name in ("c.npz", "h.npz", "out.safetensors")]
    np.savez(files[0], **classifier, **{"classifier.1.bias": np.zeros(3, np.float32)})
    np.savez(files[1], **heads)
    main(["", "--format=lpips", f"--heads={files[1]}", files[0], files[2]])
    for other in (convert.from_state_dicts(whole), load_lpips(files[2])):
        assert other.network == "squeeze"
        jax.tree.map(np.testing.assert_array_equal, other.params, squeeze.params)
    with pytest.raises(InputError, match="--heads is missing"):
        convert.from_state_dicts(classifier)
    with pytest.raises(InputError, match=r"features\.3\.squeeze\.bias is missing"):
        del whole["net.slice1.3.squeeze.bias"]
        convert.from_state_dicts(whole)
    with pytest.raises(InputError, match="state_dict of torchvision"):
        convert.from_state_dicts({"conv1.weight": np.zeros((3, 3))})


def test_differentiable_even_where_all_features_are_zero(squeeze):
    _, image, reference = _pair()
    # A layer whose units are all dead.
    dead = jax.tree.map(lambda leaf: leaf, squeeze.params)
    dead["stack"]["features_4"]["expand1x1"]["bias"] -= 1e4
    dead["stack"]["features_4"]["expand3x3"]["bias"] -= 1e4
    image, reference = image[:32, :32], reference[:32, :32]
    value_and_slope = jax.jit(jax.value_and_grad(LPIPS.__call__, 1))
    value, slope = value_and_slope(squeeze, image, reference)
    _, other = value_and_slope(LPIPS(dead, "squeeze"), image, reference)
    assert np.isfinite(slope).all() and np.isfinite(other).all()
    step = 0.05 * slope / jnp.linalg.norm(slope)
    assert value_and_slope(squeeze, image - step, reference)[0] < value


def test_grey_and_pairwise(squeeze):
    _, image, reference = _pair()
    image, reference = image[:32, :32], reference[:32, :32]
    grey = image[..., :1], reference[..., :1]
    colour = [np.repeat(part, 3, -1) for part in grey]
    assert float(squeeze(*grey)) == pytest.approx(float(squeeze(*colour)), rel=1e-5)
    samples = jnp.stack([image, reference])
    apart = average_pairwise_distance(samples, squeeze)
    assert float(apart) == pytest.approx(float(squeeze(*samples)), rel=1e-5)


def test_bad_input(squeeze, tmp_path):
    small = np.zeros((31, 40, 3), np.float32)
    with pytest.raises(InputError, match="at least 32x32"):
        squeeze(small, small)
    with pytest.raises(InputError, match="lpips: reference is of type uint8"):
        squeeze(np.zeros((32, 32, 3), np.float32), np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="2 channels"):
        squeeze(np.zeros((32, 32, 2)), np.zeros((32, 32, 2)))
    with pytest.raises(InputError, match="network='resnet'"):
        LPIPS.create("resnet", jax.random.key(0))
    with pytest.raises(InputError, match="not a readable"):
        load_lpips(tmp_path / "none.safetensors")
    save_file({"a": np.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="other weights"):
        load_lpips(tmp_path / "other.safetensors")
    own = tmp_path / "own.safetensors"
    heads = dict(squeeze.params["heads"])
    heads["0"] = np.full_like(heads["0"], np.nan)
    for params, header, message in (
        ({"heads": heads}, {}, "heads/0 holds NaN"),
        ({"heads": {}}, {}, "heads/0 has shape nothing"),
        ({}, {"config": '"vgg"'}, "another architecture"),
        ({}, {"config": '"resnet"'}, "network='resnet'"),
        ({}, {"config": "vgg"}, "not JSON"),
        ({}, {"config": "[]"}, "network="),
    ):
        header = {"kind": "lpips", "config": '"squeeze"'} | header
        write_params(own, squeeze.params | params, header)
        with pytest.raises(InputError, match=message):
            load_lpips(own)
    save_file({"a": np.zeros(1)}, own, {"kind": "lpips"})
    with pytest.raises(InputError, match="no config"):
        load_lpips(own)
    save_lpips(squeeze, own, {"licence": "none"})
    assert load_lpips(tmp_path / "own.safetensors").network == "squeeze"
