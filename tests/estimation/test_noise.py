"""The estimated noise level of photographs whose noise is known."""

import numpy as np
import pytest
from skimage import data

from jaxrestore.errors import InputError
from jaxrestore.estimation import estimate_noise
from jaxrestore.estimation.patches import clipped_variance

_ROUNDING = 1 / 12


PHOTOGRAPHS = "chelsea", "astronaut", "camera", "coffee"


def photograph(name):
    """(192, 192, C) of 0..255."""
    image = getattr(data, name)().astype(np.float32)
    return image.reshape(*image.shape[:2], -1)[:192, :192]


def observed(clean, level, seed=0):
    """8 bits of an image with white noise, both of 255; in [0, 1]."""
    noise = level * np.random.default_rng(seed).standard_normal(clean.shape)
    return np.clip(np.rint(clean + noise), 0, 255).astype(np.float32) / 255


def of_255(estimate):
    return 255 * estimate.std, 255 * estimate.low, 255 * estimate.high


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_white_noise_in_a_photograph(name):
    clean, inside = photograph(name), []
    # The photographs' own noise stays in what is "clean": not all true levels can lie
    # inside, and small ones are found too large.
    for level in (1, 3, 10, 25, 50):
        true = np.sqrt(level**2 + _ROUNDING)
        std, low, high = of_255(estimate_noise(observed(clean, level)))
        assert -max(0.2, 0.1 * true) < std - true < max(0.7, 0.1 * true)
        inside.append(low <= true <= high)
    assert np.sum(inside) >= 4


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_noise_of_the_photograph_itself(name):
    """The finest wavelets took texture for noise of 2 to 5 of 255."""
    std, low, _ = of_255(estimate_noise(observed(photograph(name), 0)))
    assert std < 1.2 and low < 0.6


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("level", [3, 15, 50])
def test_half_of_the_pixels(name, level):
    clean = photograph(name)
    seen = np.random.default_rng(1).random((*clean.shape[:2], 1)) < 0.5
    y = np.where(seen, observed(clean, level), np.nan)
    std, low, high = of_255(estimate_noise(y, seen))
    assert 0.9 * level < std < level + 1.5 and low <= level <= high


def test_a_hole_changes_little():
    y, seen = observed(photograph("chelsea"), 5), np.ones((192, 192, 1))
    seen[60:140, 20:160] = 0
    y[60:140, 20:160] = 0.3  # flatter than anything that was seen
    assert of_255(estimate_noise(y, seen))[0] == pytest.approx(5, rel=0.1)


def test_a_frame_is_no_flat_place():
    y = observed(photograph("chelsea"), 5)
    framed = np.pad(y, ((20, 20), (0, 0), (0, 0)), constant_values=0.5)
    assert of_255(estimate_noise(framed))[0] == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("mean", [-10, 0, 20, 245])
def test_all_patches_clipped(mean):
    clean = np.full((128, 128, 3), mean, np.float32)
    estimate = estimate_noise(observed(clean, 20))
    std, low, high = of_255(estimate)
    assert estimate.clipped > 0.1
    assert std == pytest.approx(20, rel=0.15 if mean >= 0 else 0.25)
    assert low <= 20 <= high


def test_clipped_variance():
    draws = np.random.default_rng(0).standard_normal(400_000)
    for end in (-2.0, 0.0, 1.0):
        share = np.mean(draws < end)
        expected = np.var(np.maximum(draws, end))
        assert clipped_variance(share) == pytest.approx(expected, rel=0.01)
    assert clipped_variance(np.zeros(1)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("level", [2, 10])
def test_tiny(name, level):
    y = observed(photograph(name), level)[100:148, 100:148]
    std, low, high = of_255(estimate_noise(y))
    assert low <= level <= high and low < 0.5 * std
    assert std < max(6, 1.5 * level)


def test_constant_and_flat():
    constant = estimate_noise(np.full((64, 64, 1), 0.5))
    assert constant.std == constant.low == constant.correlation == 0
    assert 0.2 / 255 < constant.high < 0.5 / 255
    ramp = np.add.outer(np.arange(96.0), np.arange(96.0))[..., None]
    assert of_255(estimate_noise(observed(ramp, 4)))[0] == pytest.approx(4, rel=0.08)


def test_nothing_to_see():
    noisy = np.random.default_rng(0).random((32, 32, 3))
    assert estimate_noise(noisy, np.zeros((32, 32, 1))) is None
    assert estimate_noise(noisy[:4, :4]) is None
    assert estimate_noise(np.ones((64, 64, 3))) is None


def test_correlation():
    noise = np.random.default_rng(0).standard_normal((200, 200, 3)) * 0.04
    white = estimate_noise(0.5 + noise)
    assert abs(white.correlation) < 0.05
    mixed = noise + 0.4 * (np.roll(noise, 1, 0) + np.roll(noise, 1, 1))
    mixed = 0.5 + mixed + 0.16 * np.roll(noise, (1, 1), (0, 1))
    mixed = estimate_noise(mixed)
    # Neighbours: 0.4 / (1 + 0.4^2); deviation: 0.04 (1 + 0.4^2).
    assert mixed.correlation == pytest.approx(0.345, abs=0.05)
    assert mixed.low < 0.9 * 0.0464 < 0.0464 < mixed.high


def test_noise_of_many_levels_is_the_mean_variance():
    rng = np.random.default_rng(0)
    levels = np.array([0.01, 0.02, 0.03])
    y = 0.5 + levels * rng.standard_normal((128, 128, 3))
    expected = np.sqrt(np.mean(levels**2))
    assert estimate_noise(y).std == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    "image, seen, message",
    [
        (np.zeros((9, 9)), None, r"image: has shape \(9, 9\)"),
        (np.zeros((9, 9, 1)), np.ones((8, 9, 1)), r"observed: has shape \(8, 9, 1\)"),
        (np.full((9, 9, 1), np.nan), None, "NaN"),
    ],
)
def test_mistakes(image, seen, message):
    with pytest.raises(InputError, match=message) as error:
        estimate_noise(image, seen)
    assert "\n" not in str(error.value)
