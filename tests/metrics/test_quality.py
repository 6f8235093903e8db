"""The metrics against scikit-image and their own protocol."""

import functools

import jax
import numpy as np
import pytest
from skimage import metrics as oracle

from jaxrestore.errors import InputError
from jaxrestore.metrics import (
    average_pairwise_distance,
    brisque,
    lr_psnr,
    mse,
    psnr,
    ssim,
    ssim_skimage,
)
from jaxrestore.operators import Downsample, Mask


def _pair(seed, shape=(40, 57, 3), noise=0.1):
    rng = np.random.default_rng(seed)
    reference = rng.random(shape).astype(np.float32)
    image = reference + noise * rng.standard_normal(shape).astype(np.float32)
    return image, reference


def _bright_and_flat(seed):
    image, reference = _pair(seed, noise=0.002)
    return 0.97 + 0.01 * image, 0.97 + 0.01 * reference


def _compiled(metric, image, reference):
    """The metric under jit and vmap: in a batch of two whose second is another pair."""
    pairs = jax.numpy.stack([image, reference]), jax.numpy.stack([reference, reference])
    return float(_batched(metric)(*pairs)[0])


@functools.cache
def _batched(metric):
    return jax.jit(jax.vmap(metric))


@pytest.mark.parametrize("make", [_pair, _bright_and_flat])
@pytest.mark.parametrize("seed", [0, 1])
def test_equal_to_scikit_image(make, seed):
    image, reference = make(seed)
    clipped = np.clip(image, 0, 1).astype(np.float64)
    exact = reference.astype(np.float64)
    expected = oracle.peak_signal_noise_ratio(exact, clipped, data_range=1)
    digit = np.spacing(np.float32(expected))
    assert abs(_compiled(psnr, image, reference) - expected) < 1e-5 + digit
    settings = {"channel_axis": -1, "data_range": 1}
    expected = oracle.structural_similarity(exact, clipped, **settings)
    assert abs(_compiled(ssim_skimage, image, reference) - expected) < 1e-5
    settings |= {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = oracle.structural_similarity(exact, clipped, **settings)
    assert abs(_compiled(ssim, image, reference) - expected) < 1e-5


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
    for metric in (mse, psnr, ssim, ssim_skimage):
        batch = jax.vmap(metric)(images, references)
        alone = [metric(*pair) for pair in pairs]
        np.testing.assert_allclose(batch, alone, rtol=1e-5)


def test_wrong_shapes():
    image, reference = _pair(0)
    with pytest.raises(InputError, match="psnr: image and reference have shapes"):
        psnr(image, reference[:-1])
    with pytest.raises(InputError, match="8x57, expected at least 11x11"):
        ssim(image[:8], reference[:8])
    with pytest.raises(InputError, match="7x7"):
        ssim_skimage(image[:6], reference[:6])
    with pytest.raises(InputError, match="N >= 2"):
        average_pairwise_distance(image[None])


METRICS = {"mse": mse, "psnr": psnr, "ssim": ssim, "ssim_skimage": ssim_skimage}


@pytest.mark.parametrize("name", [*METRICS, "brisque", "lr_psnr"])
def test_pixels_on_the_scale_of_bytes_are_refused(name):
    bytes_ = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    every = Mask(jax.numpy.ones((32, 32, 1)))
    two = METRICS | {"lr_psnr": lambda a, b: lr_psnr(a, b, every)}
    unit = bytes_ / np.float32(255)
    calls = [lambda x: two[name](x, unit), lambda x: two[name](unit, x)]
    for call in [brisque] if name == "brisque" else calls:
        with pytest.raises(InputError, match=f"{name}: .* uint8, expected .*255"):
            call(bytes_)
        with pytest.raises(InputError, match=f"{name}: .* uint8"):
            jax.jit(call)(bytes_)
        if name != "lr_psnr":  # whose y may have any scale
            with pytest.raises(InputError, match=r"values up to 25\d.*divide it"):
                call(bytes_.astype(np.float32))
        call(unit.astype(np.float64))


def test_diverged_images_have_scores():
    image, reference = _pair(0)
    for scale in (1e3, 1e8, np.nan):
        assert not psnr(scale * (image - 0.5), reference) > 20


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_computed_in_single(name, dtype):
    pair = [jax.numpy.asarray(part, dtype) for part in _pair(0)]
    got = METRICS[name](*pair)
    expected = METRICS[name](*(part.astype("float32") for part in pair))
    assert got.dtype == np.float32 and float(got) == float(expected)


def test_lr_psnr_is_the_psnr_of_what_was_seen():
    image, reference = _pair(0, (8, 12, 3))
    every_second = Downsample(jax.numpy.ones((1, 1)), 2)
    y = reference[::2, ::2]
    expected = -10 * np.log10(np.mean((image[::2, ::2] - y) ** 2))
    assert float(lr_psnr(image, y, every_second)) == pytest.approx(expected, abs=1e-4)
    # What a mask did not see is not compared, and nothing is clipped.
    seen = np.ones((8, 12, 1), np.float32)
    seen[3:] = 0
    y = np.where(seen, reference + 1, np.nan)
    expected = -10 * np.log10(np.mean((image - y)[:3] ** 2))
    got = lr_psnr(image, y, Mask(jax.numpy.asarray(seen)))
    assert float(got) == pytest.approx(expected, abs=1e-4)


def test_average_pairwise_distance_is_the_mean_over_all_pairs():
    samples = np.random.default_rng(0).random((4, 6, 5, 3)).astype(np.float32)
    pairs = [
        np.mean((samples[i] - samples[j]) ** 2) for i in range(4) for j in range(i)
    ]
    got = jax.jit(average_pairwise_distance)(samples)
    assert float(got) == pytest.approx(np.mean(pairs), rel=1e-5)
    spread = 2 * np.var(samples, axis=0, ddof=1).mean()
    assert float(got) == pytest.approx(spread, rel=1e-5)
    image = jax.vmap(average_pairwise_distance)(samples[None])
    assert float(image[0]) == pytest.approx(float(got), rel=1e-6)


def test_gradients_are_finite_and_point_towards_the_reference():
    image, reference = _pair(0, (16, 16, 3), noise=0.05)
    image, reference = (0.25 + 0.5 * part for part in (image, reference))
    for metric in (psnr, ssim, ssim_skimage):
        slope = jax.grad(metric)(image, reference)
        assert np.isfinite(slope).all()
        assert float(np.sum(slope * (reference - image))) > 0
