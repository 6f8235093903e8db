"""The metrics against scikit-image and their own protocol."""

import jax
import numpy as np
import pytest
from skimage import metrics as oracle

from jaxrestore.metrics import estimate_noise_std, psnr, ssim


def _pair(seed, shape=(40, 57, 3), noise=0.1):
    rng = np.random.default_rng(seed)
    reference = rng.random(shape).astype(np.float32)
    image = reference + noise * rng.standard_normal(shape).astype(np.float32)
    return image, reference


def _bright_and_flat(seed):
    image, reference = _pair(seed, noise=0.002)
    return 0.97 + 0.01 * image, 0.97 + 0.01 * reference


@pytest.mark.parametrize("make", [_pair, _bright_and_flat])
@pytest.mark.parametrize("seed", [0, 1])
def test_equal_to_scikit_image(make, seed):
    image, reference = make(seed)
    clipped = np.clip(image, 0, 1).astype(np.float64)
    exact = reference.astype(np.float64)
    expected = oracle.peak_signal_noise_ratio(exact, clipped, data_range=1)
    assert abs(float(psnr(image, reference)) - expected) < 1e-4
    expected = oracle.structural_similarity(
        exact,
        clipped,
        channel_axis=-1,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert abs(float(ssim(image, reference)) - expected) < 1e-5


def test_equal_images():
    _, reference = _pair(0)
    assert float(psnr(reference, reference)) == np.inf
    assert float(ssim(reference, reference)) == pytest.approx(1, abs=1e-5)


def test_no_rounding():
    reference = np.full((16, 16, 3), 0.5, np.float32)
    assert float(psnr(reference + 1e-3, reference)) == pytest.approx(60, abs=1e-2)


def test_vmap_equals_loop():
    pairs = [_pair(seed) for seed in range(3)]
    images, references = (np.stack(side) for side in zip(*pairs, strict=True))
    for metric in (psnr, ssim):
        batch = jax.vmap(metric)(images, references)
        alone = [metric(*pair) for pair in pairs]
        np.testing.assert_allclose(batch, alone, rtol=1e-5)


def test_wrong_shapes():
    image, reference = _pair(0)
    with pytest.raises(ValueError, match="shapes"):
        psnr(image, reference[:-1])
    with pytest.raises(ValueError, match="11x11"):
        ssim(image[:8], reference[:8])


@pytest.mark.parametrize("level", [2 / 255, 8 / 255, 25 / 255])
def test_noise_level_of_a_smooth_image(level):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96] / 96
    clean = np.stack([rows, np.sin(3 * columns), rows * columns], -1)
    noisy = clean + level * rng.standard_normal(clean.shape)
    assert estimate_noise_std(noisy) == pytest.approx(level, rel=0.05)
    # Rows of holes, filled with anything, change nothing.
    observed = np.ones((96, 96, 1))
    observed[10:30] = 0
    noisy[10:30] = rng.random((20, 96, 3))
    assert estimate_noise_std(noisy, observed) == pytest.approx(level, rel=0.05)


def test_noise_level_needs_enough_pixels():
    rng = np.random.default_rng(0)
    noisy = rng.random((32, 32, 3))
    assert estimate_noise_std(noisy, rng.random((32, 32, 1)) > 0.8) is None
    assert estimate_noise_std(noisy[:6, :6]) is None
