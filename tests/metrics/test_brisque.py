"""BRISQUE against the Python package brisque 0.2.0.

`tests/data/brisque.npz` holds four crops of scikit-image's sample photographs (uint8,
odd and even sides: as they are, noisy, blurred, grey), and for each the 36 features and
the score of that package: `calculate_brisque_features` of the `rgb2gray` image and of
its half by `cv2.resize(..., fx=0.5, fy=0.5, interpolation=INTER_CUBIC)`, then
`calculate_image_quality_score` of both (libsvm 3.37, OpenCV 5.0). "flat" is the photo
with its contrast three times raised and a white part.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from jaxrestore.errors import InputError
from jaxrestore.metrics import brisque
from jaxrestore.metrics.brisque_features import features, fit, moments, normalised
from tests.parity.golden import load


@pytest.fixture(scope="module")
def golden():
    stored = load("brisque")
    flat = np.clip(3 * stored["photo"].astype(int) - 300, 0, 255)
    flat[16:48, 8:60] = 255
    return stored | {"flat": flat}


@jax.jit
@jax.vmap
def _both(image):
    return features(image), brisque(image)


@pytest.mark.parametrize("names", [("photo", "blurred", "noisy", "flat"), ("grey",)])
def test_equal_to_the_package(golden, names):
    """To 1e-4 in every feature and 0.02 in the score, under jit and vmap."""
    images = jnp.stack([golden[name] for name in names]).astype(jnp.float32) / 255
    for got, score, name in zip(*_both(images), names, strict=True):
        np.testing.assert_allclose(got, golden[f"{name}_features"], atol=1e-4)
        assert float(score) == pytest.approx(float(golden[f"{name}_score"]), abs=0.02)


def test_clips_and_does_not_round(golden):
    bright = jnp.asarray(golden["photo"], jnp.float32) / 200
    dark = 0.05 * bright
    rounded = jnp.round(255 * dark) / 255
    _, (raw, exact, coarse) = _both(jnp.stack([bright, dark, rounded]))
    _, (clipped, *_) = _both(jnp.stack([jnp.clip(bright, 0, 1), dark, rounded]))
    assert float(raw) == pytest.approx(float(clipped), abs=1e-3)
    assert abs(float(exact - coarse)) > 1


@pytest.mark.parametrize("shape", [0.4, 1.0, 2.0, 6.0])
def test_fit_recovers_an_asymmetric_generalised_gaussian(shape):
    """From the exact moments of a density with scales 1 (left) and 2 (right)."""
    gamma = special.gamma
    left, right = (s**2 * gamma(3 / shape) / gamma(1 / shape) for s in (1, 2))
    # A half of scale s has the mass s / 3 and the mean modulus s G(2/a) / G(1/a).
    modulus = (1 + 4) / 3 * gamma(2 / shape) / gamma(1 / shape)
    ratio = modulus**2 / ((left + 2 * right) / 3)
    got, mean = fit(*(jnp.float32([v]) for v in (left, right, ratio)))
    assert float(got[0]) == pytest.approx(shape, rel=1e-4)
    expected = (2 - 1) * gamma(2 / shape) / gamma(1 / shape)
    assert float(mean[0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_gradient_is_the_finite_difference(golden):
    """Between the jumps, where a value changes its sign: hence the tiny step."""

    def statistics(image):
        left, right, ratio = moments(normalised(image))[:, None]
        return jnp.sum(jnp.stack([left, right, *fit(left, right, ratio)]))

    with jax.enable_x64(True):
        image = jnp.asarray(golden["photo"][:20, :20, 0] / 255.0)
        direction = jnp.asarray(np.random.default_rng(0).normal(size=image.shape))
        value_and_slope = jax.jit(jax.value_and_grad(statistics))
        slope = float(jnp.sum(value_and_slope(image)[1] * direction))
        ahead, back = (value_and_slope(image + s * direction)[0] for s in (1e-7, -1e-7))
        assert slope == pytest.approx(float(ahead - back) / 2e-7, rel=1e-3)
        flat = value_and_slope(jnp.full((20, 20), 0.5))[1]
        assert np.isfinite(flat).all()


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 2), (32, 12, 3)])
def test_wrong_shapes(shape):
    with pytest.raises(InputError, match="brisque: image"):
        brisque(np.zeros(shape, np.float32))
