"""Dataclasses as pytrees: the class is part of the structure."""

from dataclasses import dataclass, field
from itertools import combinations

import jax
import jax.numpy as jnp
import pytest

from jaxrestore.operators import Blur, Mask
from jaxrestore.pytrees import pytree
from jaxrestore.solvers import TV, PnPHVAE, Restoration
from jaxrestore.solvers.stopping import Stopping


def _scaling(factor):
    """A class, always of the same fields."""

    @pytree
    @dataclass(frozen=True)
    class Scaling:
        value: jax.Array
        unit: str = field(default="m", metadata={"static": True})

        def __call__(self):
            return self.value * factor

    return Scaling


def test_equal_fields_of_two_classes_are_two_structures():
    kinds = [Blur, Mask, *(_scaling(n) for n in range(20))]
    trees = [jax.tree.structure(kind(jnp.ones((3, 3, 1)))) for kind in kinds]
    assert not any(a == b for a, b in combinations(trees, 2))
    again = [jax.tree.structure(kind(jnp.zeros(()))) for kind in kinds]
    assert trees == again and [*map(hash, trees)] == [*map(hash, again)]


def test_a_jitted_function_runs_the_program_of_the_class():
    """With JAX's own registration about one answer in a hundred is another's."""
    called = jax.jit(lambda scaling: scaling())
    for factor in range(150):
        assert called(_scaling(factor)(1.0)) == factor


def test_static_fields_are_structure_and_the_others_are_named():
    kind = _scaling(1)
    tree = kind(jnp.ones(2), unit="s")
    ((path, leaf),) = jax.tree_util.tree_leaves_with_path(tree)
    assert jax.tree_util.keystr(path) == ".value" and leaf is tree.value
    twice = jax.tree.map(lambda a: 2 * a, tree)
    assert type(twice) is kind and twice.unit == "s" and float(twice.value[0]) == 2
    assert jax.tree.structure(tree) != jax.tree.structure(kind(tree.value))


@pytest.mark.parametrize("kind", [Blur, TV, PnPHVAE, Restoration, Stopping])
def test_ours_name_their_class(kind):
    """Whatever the fields hold."""
    tree = object.__new__(kind)
    for name in kind.__dataclass_fields__:
        object.__setattr__(tree, name, None)
    assert jax.tree.structure(tree).node_data()[1][0] is kind
