"""Dense matrices: batches, and derivatives of their solves."""

import re

import jax
import jax.numpy as jnp
import pytest
from jax.test_util import check_grads

from jaxrestore.operators import Matrix

SHAPE = (2, 2, 3)


@pytest.fixture
def case():
    keys = jax.random.split(jax.random.key(0), 3)
    matrix = jax.random.normal(keys[0], (3, 5, 12))
    return matrix, jax.random.normal(keys[1], (3, 5)), jnp.ones((3, *SHAPE))


def solved(matrix, y, centre):
    return Matrix(matrix, SHAPE).tikhonov(y, centre, 0.1)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="about LAPACK")
def test_batches_do_not_reach_lapack(case):
    """Its batched kernels wait on one another: `lax.map` of batches stood still."""
    text = jax.jit(jax.vmap(solved)).lower(*case).as_text()
    shapes = re.findall(r"@lapack_spotrf_ffi\(.*?\(tensor<([0-9x]*)x", text)
    assert shapes == ["5x5"]


def test_solves_have_derivatives(case):
    one = [part[0] for part in case]
    check_grads(solved, one, 1, modes=("fwd", "rev"), rtol=2e-2)
    slopes = jax.vmap(jax.grad(lambda *a: solved(*a).sum(), 2))(*case)
    each = jax.grad(lambda *a: solved(*a).sum(), 2)(*one)
    assert jnp.allclose(slopes[0], each, atol=1e-5)
