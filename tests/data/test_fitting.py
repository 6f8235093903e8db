"""Photographs as a prior takes them."""

import numpy as np
import pytest

from jaxrestore.data.fitting import centre, fit
from jaxrestore.errors import InputError
from jaxrestore.priors import CriticConfig, VAEConfig

_RNG = np.random.default_rng(0)


def test_channels():
    colour = _RNG.random((5, 7, 3)).astype(np.float32)
    luma = fit(colour, CriticConfig(image_channels=1))
    np.testing.assert_allclose(luma[..., 0], colour @ [0.299, 0.587, 0.114], rtol=1e-5)
    np.testing.assert_array_equal(fit(colour), colour)
    assert fit(luma, CriticConfig()).shape == (5, 7, 3)


@pytest.mark.parametrize("shape", [(40, 24, 3), (8, 9, 1), (16, 16, 1)])
def test_one_size(shape):
    config = VAEConfig(image_size=16)
    found = fit(np.full(shape, 0.25, np.float32), config)
    assert found.shape == (16, 16, 1) and found.dtype == np.float32
    np.testing.assert_allclose(found, 0.25, rtol=1e-5)


def test_the_central_square_is_resized():
    image = np.zeros((64, 32, 1), np.float32)
    image[16:48] = 1  # the square
    np.testing.assert_allclose(fit(image, VAEConfig(image_size=16)), 1, atol=1e-6)
    np.testing.assert_array_equal(centre(image, 32), np.ones((32, 32, 1)))
    with pytest.raises(InputError, match="--images=a.png: 64x32 .* crop of 33"):
        centre(image, 33, "--images=a.png")
