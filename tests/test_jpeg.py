"""JPEG files: coefficients, quantised noise, the data step, the box, the error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from scipy.special import log_ndtr
from skimage.data import astronaut, rocket

from jaxrestore.data.images import read_image
from jaxrestore.data.jpeg import compressed, read_jpeg
from jaxrestore.errors import InputError
from jaxrestore.estimation.jpeg import jpeg_noise_std, sensor_noise_std
from jaxrestore.likelihoods import QuantisedNoise, jpeg_observation, project_box
from jaxrestore.likelihoods.jpeg_steps import jpeg_prox, share_inside
from jaxrestore.operators import JPEG, Blur, kernels
from jaxrestore.operators.jpeg import turned

PHOTO = astronaut()[100:228, 150:278]


def saved(path, pixels, orientation=1, **options):
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size, orientation", [((37, 45), 1), ((42, 38), 6)])
def test_the_operator_gives_a_files_coefficients(
    tmp_path, subsampling, size, orientation
):
    stored = PHOTO[: size[0], : size[1]]
    given = {"subsampling": subsampling, "quality": 85, "orientation": orientation}
    file = read_jpeg(saved(tmp_path / "a.jpg", stored, **given))
    jpeg = JPEG(file.size, file.factors, file.orientation)
    clean = turned(jnp.asarray(stored / 255, jnp.float32), orientation, back=True)
    assert clean.shape == read_image(tmp_path / "a.jpg").pixels.shape
    off = (jpeg(clean) - file.coefficients) / file.widths
    # Colours are rounded to integers before the DCT: some lie just outside.
    assert np.abs(off).max() < 1.2 and np.mean(np.abs(off) > 0.5) < 0.04
    decoded = read_image(tmp_path / "a.jpg").pixels
    ours = jnp.clip(jpeg.initial_image(jnp.asarray(file.coefficients)), 0, 1)
    assert np.sqrt(np.mean((ours - decoded) ** 2)) < 3 / 255


def test_what_is_no_jpeg_that_we_model(tmp_path):
    image = Image.fromarray(PHOTO)
    image.save(tmp_path / "a.png")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    image.save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    for name in "a.png", "cmyk.jpg", "cut.jpg", "none.jpg":
        assert read_jpeg(tmp_path / name) is None
    image.convert("L").save(tmp_path / "grey.jpg", progressive=True)
    file = read_jpeg(tmp_path / "grey.jpg")
    assert file.factors == ((1, 1),) and file.coefficients.shape == (256, 8, 8)


def oracle(r, width, std):
    """-log p in float64, r >= 0."""
    upper, lower = log_ndtr((width / 2 - r) / std), log_ndtr((-width / 2 - r) / std)
    return -upper - np.log1p(-np.exp(lower - upper))


def slope(r, width, std):
    h = 1e-5 * std
    return (oracle(r + h, width, std) - oracle(r - h, width, std)) / (2 * h)


@pytest.mark.slow
@pytest.mark.parametrize("width, std", [(0.1, 0.002), (0.004, 0.04)])
def test_quantised_noise_against_float64(width, std):
    # 13.1 deviations outside: there float32's erfc underflows.
    r = width * np.array([0, 0.1, 0.45, 0.5, 0.7, 3, 20])
    r = np.append(r, width / 2 + 13.1 * std).astype(np.float32)
    noise = QuantisedNoise(width, std)
    values = jax.vmap(noise.neg_log_density)(jnp.asarray(r))
    np.testing.assert_allclose(values, oracle(np.float64(r), width, std), 5e-6, 1e-30)
    expected = slope(np.float64(r), width, std)
    np.testing.assert_allclose(
        noise.score(jnp.asarray(r)) * std, expected * std, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(noise.score(-r), -noise.score(r))
    for step in 1e-6, 1e-4, 1e-2:
        nearest = [
            brentq(lambda x, v=v, s=step: slope(x, width, std) + (x - v) / s, -1e-9, v)
            if slope(np.float64(v), width, std) > 1e-6
            else v
            for v in np.float64(r)
        ]
        found = noise.prox(-jnp.asarray(r), step)
        np.testing.assert_allclose(found, -np.array(nearest), atol=0.02 * std)


def test_quantised_noise_draws_centres_and_refuses_bad_values():
    noise = QuantisedNoise(0.5, 0.1)
    draws = noise.draw(jax.random.key(0), jnp.full(20000, 0.25))
    assert set(np.unique(draws)) == {0, 0.5}
    assert abs(draws.mean() - 0.25) < 0.01
    with pytest.raises(InputError, match="std of a QuantisedNoise holds 0"):
        QuantisedNoise(0.5, 0.0).validate((3,))
    with pytest.raises(InputError, match="shape"):
        QuantisedNoise(np.ones(2), 0.1).validate((3,))


def problem(tmp_path, size, blurred):
    pixels = PHOTO[: size[0], : size[1]]
    file = read_jpeg(saved(tmp_path / "a.jpg", pixels, quality=40, subsampling=2))
    blur = Blur(jnp.asarray(kernels.gaussian(5, 0.8)))
    blur = blur.unknown_boundary((*size, 3)) if blurred else None
    seen = jpeg_observation(file, blur, 2 / 255)
    noise = 0.1 * jax.random.normal(jax.random.key(0), seen.image_shape)
    return seen, seen.initial_image() + noise


@pytest.mark.slow
@pytest.mark.parametrize("size, blurred", [((32, 16), True), ((21, 26), False)])
def test_data_step(tmp_path, size, blurred):
    seen, v = problem(tmp_path, size, blurred)
    step = 0.05**2

    @jax.jit
    def steepness(x):
        quadratic = lambda x: jnp.sum((x - v) ** 2) / (2 * step)  # noqa: E731
        return jnp.linalg.norm(seen.gradient(x) + jax.grad(quadratic)(x))

    converged = jax.jit(jpeg_prox, static_argnums=3)(seen, v, step, 600)
    assert steepness(converged) < 2e-3 * steepness(v)
    found = jax.jit(lambda v: seen.prox(v, step))(v)
    gap = jnp.linalg.norm(found - converged) / jnp.linalg.norm(v - converged)
    assert gap < 0.2


@pytest.mark.parametrize("size", [(32, 48), (37, 45)])
def test_project_box(tmp_path, size):
    seen, x = problem(tmp_path, size, False)
    assert share_inside(seen, x) < 0.9
    found = jax.jit(project_box)(seen, x)
    assert share_inside(seen, found) == 1
    if size == (32, 48):  # nothing in the box is nearer: obtuse angles to all of it
        other = project_box(seen, seen.initial_image())
        split = seen.operator.split
        away, along = split(x) - split(found), split(other) - split(found)
        assert jnp.vdot(away, along) < 1e-3 * jnp.vdot(away, away)
        assert jnp.linalg.norm(away) > 0.1


@pytest.mark.parametrize("quality", [20, 90])
def test_estimated_error(tmp_path, quality):
    path = saved(tmp_path / "a.jpg", PHOTO, quality=quality)
    true = np.sqrt(np.mean((read_image(path).pixels - PHOTO / 255) ** 2))
    assert abs(jpeg_noise_std(read_jpeg(path)) / true - 1) < 0.3


@pytest.mark.parametrize("quality", [90, 60])
def test_noise_before_compression_is_found(quality):
    clean = np.asarray(rocket()[:192, :192], np.float64)
    clean = np.stack([gaussian_filter(clean[..., c], 2) for c in range(3)], -1)
    for level in (5, 10):
        noise = level * np.random.default_rng(0).standard_normal(clean.shape)
        _, file = compressed(np.clip(clean + noise, 0, 255) / 255, quality)
        assert file is not None
        assert 255 * sensor_noise_std(file) == pytest.approx(level, rel=0.15)
    _, file = compressed(clean / 255, quality)
    assert file is not None and sensor_noise_std(file) < 1.5 / 255
