"""Conjugate gradients and unknown boundaries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrestore.errors import InputError
from jaxrestore.operators import (
    Blur,
    Crop,
    Downsample,
    Mask,
    Matrix,
    conjugate_gradient,
    fast_fft_size,
)
from tests.contracts.cases import laws, normal, random_kernel, relative


def test_conjugate_gradient_is_relative_capped_and_safe():
    matrix = jnp.diag(jnp.linspace(1.0, 50.0, 40))
    rhs = normal(0, (40,))
    expected = np.linalg.solve(matrix, rhs)
    for scale in 1e-6, 1.0, 1e6:
        solution = conjugate_gradient(matrix.dot, scale * rhs)
        assert relative(solution, scale * expected) < 1e-4
    rough = conjugate_gradient(matrix.dot, rhs, max_steps=3)
    assert 1e-3 < relative(rough, expected) < 1
    assert not conjugate_gradient(matrix.dot, jnp.zeros(40)).any()
    broken = conjugate_gradient(lambda x: x * jnp.nan, rhs)
    assert jnp.isnan(broken).all()
    batch = jnp.stack([rhs, rhs * jnp.nan, jnp.zeros(40)])
    solutions = jax.vmap(lambda b: conjugate_gradient(matrix.dot, b))(batch)
    assert relative(solutions[0], expected) < 1e-4
    assert jnp.isnan(solutions[1]).all() and not solutions[2].any()


@settings(laws, max_examples=4)
@given(
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    observed=st.tuples(st.integers(9, 14), st.integers(9, 14)),
    factor=st.integers(1, 4),
    multiple_of=st.sampled_from([1, 4, 6]),
)
def test_unknown_boundary_sees_no_wrap(sides, observed, factor, multiple_of):
    """What is observed never depends on how the canvas continues periodically."""
    inner = Downsample(random_kernel(0, *sides), factor)
    shape = (*observed, 1)
    operator = inner.unknown_boundary(shape, multiple_of)
    canvas = operator.input_shape(shape)
    operator.validate()
    assert all(side % multiple_of == 0 == side % factor for side in canvas[:2])
    wide = [(factor * 8, factor * 8), (factor * 8, factor * 8), (0, 0)]
    image = normal(1, canvas)
    periodic_elsewhere = inner(jnp.pad(image, wide))[8:-8, 8:-8]
    crop = operator.operators[0]
    assert relative(operator(image), crop(periodic_elsewhere)) < 1e-5
    assert operator.visible(image).shape[:2] == tuple(
        factor * side for side in observed
    )


def test_unknown_boundary_of_other_operators():
    blur, mask = Blur(random_kernel(0, 5, 5)), Mask(jnp.ones((20, 20, 1)))
    operator = (mask @ blur).unknown_boundary((20, 20, 3))
    kinds = [type(part) for part in operator.operators]
    assert kinds == [Mask, Crop, Blur]
    assert mask.unknown_boundary((20, 20, 3)) is mask
    with pytest.raises(InputError, match="Matrix has no unknown-boundary"):
        Matrix(jnp.ones((2, 4)), (2, 2, 1)).unknown_boundary((2,))
    with pytest.raises(InputError, match="kernel of 5 pixels along axis 0"):
        blur.unknown_boundary((4, 20, 3))


@pytest.mark.parametrize(
    ("minimum", "multiple_of", "expected"),
    [
        (1, 1, 1),
        (11, 1, 12),
        (280, 1, 280),
        (281, 1, 288),
        (300, 64, 320),
        (13, 11, 22),
    ],
)
def test_fast_fft_size(minimum, multiple_of, expected):
    assert fast_fft_size(minimum, multiple_of) == expected
