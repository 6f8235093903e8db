"""CompressAI's checkpoints, old names and buffers included, both ways."""

import numpy as np
import pytest

from jaxrestore.convert import from_state_dict, to_state_dict
from jaxrestore.convert.cae import CONFIGS
from jaxrestore.errors import InputError
from jaxrestore.parameters import flatten
from jaxrestore.priors import CAE, CAEConfig
from jaxrestore.priors.cae.config import KINDS
from tests.priors.random_weights import random_prior

slow = pytest.mark.slow
ALL = [KINDS[1], *[pytest.param(kind, marks=slow) for kind in KINDS if kind != "mean"]]


def network(kind, **more):
    latents = 6 if kind.startswith("cheng") else 8
    return random_prior(CAE, CAEConfig(kind, 6, latents, **more))


def as_saved(tensors):
    """With the names of old checkpoints, and with what is no weight."""
    saved = {}
    for name, value in tensors.items():
        for new, old in (("_matrix", "_matrices."), ("_bias", "_biases.")):
            if name.startswith("entropy_bottleneck.") and new in name:
                name = name.replace(new, old)
        saved["module." + name.replace(".skip.", ".downsample.")] = value
    saved["module.entropy_bottleneck._quantized_cdf"] = np.zeros((6, 9), np.int32)
    saved["module.entropy_bottleneck._offset"] = np.zeros(6, np.int32)
    saved["module.entropy_bottleneck.target"] = np.zeros(3, np.float32)
    saved["module.gaussian_conditional.scale_table"] = np.zeros(64, np.float32)
    saved["module.gaussian_conditional.lower_bound_scale.bound"] = np.zeros(1)
    saved["module.g_a.1.beta_reparam.pedestal"] = np.zeros(1, np.float32)
    saved["module.g_a.1.gamma_reparam.lower_bound.bound"] = np.zeros(1)
    return saved


@pytest.mark.parametrize("kind", ALL)
def test_both_ways_bit_for_bit(kind):
    prior = network(kind)
    tensors = to_state_dict(prior)
    again = from_state_dict(as_saved(tensors), "cae")
    assert again.config == prior.config
    before, after = flatten(prior.params), flatten(again.params)
    assert before.keys() == after.keys()
    for name, leaf in before.items():
        np.testing.assert_array_equal(after[name], leaf)


def test_names_of_the_published_networks():
    names = set(to_state_dict(network("mean")))
    assert {"g_a.0.weight", "g_a.1.gamma", "g_s.6.bias", "h_a.4.weight"} <= names
    assert {"entropy_bottleneck._matrix4", "entropy_bottleneck.quantiles"} <= names
    assert CONFIGS["mbt2018-mean-8"].latents == 320


def test_what_is_no_such_checkpoint():
    tensors = to_state_dict(network("mean"))
    with pytest.raises(InputError, match="tensor entropy_parameters.0.weight is"):
        from_state_dict(tensors, "cae", CAEConfig("context", 6, 8))
    with pytest.raises(InputError, match="pass one of bmshj2018-hyperprior-1"):
        from_state_dict({"conv.weight": np.zeros((3, 3))}, "cae")
    wider = tensors | {"g_a.2.weight": np.zeros((6, 7, 5, 5), np.float32)}
    with pytest.raises(InputError, match="tensor g_a.2.weight has shape"):
        from_state_dict(wider, "cae")
    with pytest.raises(InputError, match="gains/.*has no counterpart"):
        to_state_dict(network("mean", rates=(0.01, 0.1)))
