"""`Resize` is what Pillow does, in place, and solved exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxrestore.errors import InputError
from jaxrestore.operators import Crop, Mask, Resize
from jaxrestore.operators.resize import FILTERS, resize_weights
from tests.contracts.cases import dense, normal, relative

_PILLOW = {"bicubic": "BICUBIC", "lanczos": "LANCZOS", "area": "BOX"}
_PILLOW["bilinear"] = "BILINEAR"
_SIDES = st.integers(1, 60)


def _pillow(image, size, name):
    filter_ = getattr(Image.Resampling, _PILLOW[name])
    return np.asarray(Image.fromarray(image).resize(size[::-1], filter_))


@pytest.mark.parametrize("name", _PILLOW)
@settings(max_examples=50, deadline=None, derandomize=True)
@given(large=st.tuples(_SIDES, _SIDES), small=st.tuples(_SIDES, _SIDES))
def test_weights_equal_pillow(name, large, small):
    image = np.random.default_rng(0).random(large, np.float32)
    rows = resize_weights(large[0], small[0], name)
    columns = resize_weights(large[1], small[1], name)
    ours = rows @ image @ columns.T
    np.testing.assert_allclose(ours, _pillow(image, small, name), atol=1e-5)


@pytest.mark.parametrize("name", _PILLOW)
def test_operator_and_start_equal_pillow(name):
    image = np.random.default_rng(0).random((33, 40, 2), np.float32)
    operator = Resize.create(image.shape, (15, 11), name)
    small = operator(image)
    for channel in range(2):
        plane = image[..., channel]
        expected = _pillow(plane, (15, 11), name)
        np.testing.assert_allclose(small[..., channel], expected, atol=1e-5)
        start = operator.initial_image(small)[..., channel]
        expected = _pillow(np.asarray(small[..., channel]), (33, 40), "bicubic")
        np.testing.assert_allclose(start, expected, atol=1e-5)


@pytest.mark.parametrize("sides", [(96, 24), (100, 40), (110, 33)])
@pytest.mark.parametrize("name", ["bicubic", "lanczos", "bilinear", "area"])
def test_nothing_moves(name, sides):
    """A ramp keeps its values where its pixels are: < 0.05 pixel of the image."""
    size, new_size = sides
    if name == "area" and size % new_size:
        pytest.skip("Pillow's box of a fractional width is off by part of a pixel")
    small = resize_weights(size, new_size, name) @ np.arange(size)
    shift = small - ((np.arange(new_size) + 0.5) * size / new_size - 0.5)
    assert np.abs(shift[3:-3]).max() < 0.05


def test_restoration_stays_in_place():
    """The exact data step leaves a smooth image where it was."""
    rows, columns = jnp.mgrid[:48, :40]
    image = (0.5 + 0.2 * jnp.sin(rows / 5) + 0.2 * jnp.cos(columns / 6))[..., None]
    operator = Resize.create(image.shape, (12, 10))
    y = operator(image)
    start = operator.initial_image(y)
    step = operator.tikhonov(y, start, 1e-6)
    assert jnp.abs(operator(step) - y).max() < 1e-4
    for axis in (0, 1):
        slope = jnp.gradient(image, axis=axis)
        for found in (start, step):
            gap = found - image
            shift = jnp.vdot(gap, slope) / jnp.vdot(slope, slope)
            assert jnp.abs(shift) < 0.05


@pytest.mark.parametrize("name", ["lanczos", "nearest"])
def test_projection_and_tiny_weights(name):
    shape = 13, 11, 1
    operator = Resize.create(shape, (6, 4), name)
    matrix = dense(operator, shape)
    x, y = normal(0, shape), operator(normal(1, shape))
    gap = np.asarray(y, np.float64).ravel() - matrix @ np.float64(x).ravel()
    step = operator.project(y, x) - x
    assert relative(step.ravel(), np.linalg.pinv(matrix) @ gap) < 1e-4
    gram = matrix @ matrix.T + 1e-6 * np.eye(len(matrix))
    step = operator.tikhonov(y, x, 1e-6) - x
    assert relative(step.ravel(), matrix.T @ np.linalg.solve(gram, gap)) < 1e-4


def test_another_filter_compiles_nothing():
    traces = []

    @jax.jit
    def step(operator, y, x):
        traces.append(1)
        return operator.tikhonov(y, x, 0.1)

    x = normal(0, (12, 10, 1))
    for name in FILTERS:
        operator = Resize.create(x.shape, (5, 4), name)
        step(operator, operator(x), x)
    assert len(traces) == 1


def test_parts_of_it():
    """Nothing lies beyond the border; a cut in front of it cuts the image."""
    operator = Resize.create((20, 15), (8, 6))
    assert operator.unknown_boundary((8, 6, 3)) is operator
    image = normal(0, (20, 15, 3))
    assert operator.visible(image) is image
    assert (Crop((2, 0, 0, 2)) @ operator).visible(image).shape == (15, 10, 3)
    masked = Mask(jnp.ones((8, 6, 1)).at[2].set(0)) @ operator
    y = masked(image)
    matrix = dense(masked, image.shape)
    gap = np.ravel(y - masked(jnp.zeros_like(image)))
    expected = matrix.T @ np.linalg.solve(matrix @ matrix.T + np.eye(len(gap)), gap)
    step = jax.jit(masked.tikhonov)(y, jnp.zeros_like(image), 1.0)
    assert relative(step.ravel(), expected) < 1e-4


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda: Resize.create((8, 8), (4, 4), "cubic"), "expected one of bicubic"),
        (lambda: Resize.create((8, 8), (4, 0)), "new_size=0"),
        (lambda: Resize.create((8, 8), (4, 4))(jnp.ones((8, 9, 1))), "8x9 pixels"),
        (lambda: Resize.create((8, 8), (4, 4)).adjoint(jnp.ones((5, 4, 1))), "5x4"),
    ],
)
def test_misuse(misuse, message):
    with pytest.raises(InputError, match=message):
        misuse()
