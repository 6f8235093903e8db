"""The precision of the prior's network is a setting."""

import jax
import jax.numpy as jnp
import pytest

from jaxrestore import InputError
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.solve_config import schema
from jaxrestore.configfiles import load_config, merged
from jaxrestore.settings import bind


def chosen(**values):
    values = merged(load_config("denoise", "solve"), values)
    return Chosen(bind(schema(values), values))


def test_the_network_computes_in_it_and_keeps_its_weights(weights):
    prior = chosen(prior=str(weights), compute_dtype="bfloat16").prior
    assert prior.config.compute_dtype == "bfloat16"
    assert {leaf.dtype for leaf in jax.tree.leaves(prior.params)} == {jnp.dtype("f4")}
    assert chosen(prior=str(weights)).prior.config.compute_dtype == "float32"
    image = jax.ShapeDtypeStruct((16, 16, 3), "float32")
    text = str(jax.make_jaxpr(lambda p, x: p.reconstruct(x, 0.9).mean)(prior, image))
    assert "bf16" in text


@pytest.mark.parametrize(
    ("values", "who"),
    [({"solver.name": "tv"}, "tv alone"), ({"prior": "cae-natural"}, "a CAE")],
)
def test_it_is_refused_where_there_is_no_other(values, who):
    with pytest.raises(InputError, match=f"compute_dtype=bfloat16: .* with {who}"):
        chosen(compute_dtype="bfloat16", **values)
