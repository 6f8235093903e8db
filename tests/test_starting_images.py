"""Where solvers start: upsampling on the right grid, smooth fills."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.operators import (
    Blur,
    Downsample,
    Identity,
    Mask,
    Matrix,
    kernels,
)
from tests.contracts.cases import block_average
from tests.solvers.problems import gaussian


def waves(height, width):
    """A smooth image whose every shift is visible."""
    rows, columns = jnp.mgrid[:height, :width]
    grey = 0.5 + 0.2 * jnp.sin(rows / 5.0) + 0.2 * jnp.cos(columns / 7.0 + rows / 11.0)
    return jnp.stack([grey, grey**2], -1)


@pytest.mark.parametrize(
    ("operator", "centred"),
    [
        (Downsample(kernels.gaussian(9, 1.2), 2), Blur(kernels.gaussian(9, 1.2))),
        (Downsample(kernels.gaussian(8, 0.8), 3), Blur(kernels.gaussian(9, 0.8))),
        pytest.param(
            Downsample(kernels.gaussian(9, 1.6), 4),
            Blur(kernels.gaussian(9, 1.6)),
            marks=pytest.mark.slow,
        ),
        (Downsample(jnp.zeros((7, 7)).at[1, 5].set(1.0), 4), Identity()),
        # An odd box is centred where the block's own centre is, between pixels.
        (block_average(4), Blur(np.full((5, 5), 1 / 25))),
    ],
)
def test_upsampling_undoes_every_shift(operator, centred):
    """The start is the blurred image in place, not moved by a fraction of a pixel."""
    image = waves(48, 60)
    expected = centred(image)
    start = gaussian(operator(image), operator, 0.01).initial_image()
    inner = np.s_[8:-8, 8:-8]
    error = jnp.abs(start - expected)[inner].mean()
    by_one_pixel = jnp.abs(jnp.roll(expected, 1, axis=1) - expected)[inner].mean()
    assert error < 0.15 * by_one_pixel
    # No dark rim where a bicubic kernel runs out of pixels.
    assert jnp.abs(start - image).max() < 0.3


def test_start_of_inpainting_keeps_pixels_and_fills_smoothly():
    image = waves(40, 50)
    mask = (jax.random.uniform(jax.random.key(0), (40, 50, 1)) < 0.4).astype(float)
    mask = mask.at[10:22, 10:30].set(0)
    start = gaussian(mask * image, Mask(mask), 0.01).initial_image()
    np.testing.assert_array_equal(start * mask, image * mask)
    assert jnp.abs(start - image).mean() < 0.02
    assert image.min() <= start.min() and start.max() <= image.max()
    # A constant stays constant, borders included; halves do not become darker.
    flat = gaussian(0.5 * mask, Mask(0.5 * mask), 0.01).initial_image()
    np.testing.assert_allclose(flat, 1.0, atol=1e-4)


def test_start_of_other_operators():
    image = waves(20, 24)
    blur = Blur(jnp.asarray(kernels.uniform((3, 4))))
    np.testing.assert_array_equal(gaussian(image, blur, 0.01).initial_image(), image)
    canvas = blur.unknown_boundary(image.shape)
    start = gaussian(image, canvas, 0.01).initial_image()
    assert start.shape == canvas.input_shape(image.shape)
    assert canvas.operators[0](start).tolist() == image.tolist()
    assert start.min() == image.min()
    matrix = Matrix(jax.random.normal(jax.random.key(0), (20, 48)) / 5, (8, 6, 1))
    sensing = gaussian(matrix(waves(8, 6)[..., :1]), matrix, 0.001)
    explained = sensing.operator(sensing.initial_image()) - sensing.y
    assert jnp.linalg.norm(explained) < 0.02 * jnp.linalg.norm(sensing.y)
