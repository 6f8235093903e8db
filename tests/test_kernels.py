"""Kernels: shape, mass, orientation, files, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from jaxrestore.errors import InputError
from jaxrestore.operators import Downsample, kernels


def moments(kernel):
    """Centroid relative to the centre and covariance, in (row, column)."""
    grid = np.indices(kernel.shape).reshape(2, -1).T
    grid = grid - np.array(kernel.shape) // 2
    weights = kernel.ravel().astype(np.float64)
    mean = weights @ grid
    return mean, (grid - mean).T @ (weights[:, None] * (grid - mean))


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    size=st.one_of(
        st.integers(3, 30), st.tuples(st.integers(3, 30), st.integers(3, 30))
    ),
    std=st.floats(0.3, 5),
    seed=st.integers(0, 10**6),
)
def test_all_kernels_are_float32_with_sum_one(size, std, seed):
    shape = (size, size) if isinstance(size, int) else size
    for kernel in (
        kernels.gaussian(size, std),
        kernels.anisotropic_gaussian(size, (std, 2 * std), 0.4),
        kernels.uniform(size),
        kernels.motion(size, seed),
        kernels.defocus(size, std),
        kernels.line(size, std, 0.4),
    ):
        assert kernel.shape == shape and kernel.dtype == np.float32
        assert abs(kernel.sum(dtype=np.float64) - 1) < 1e-5
        assert kernel.min() >= 0


def test_gaussian_moments():
    mean, covariance = moments(kernels.gaussian(31, 2.0))
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    np.testing.assert_allclose(covariance, 4 * np.eye(2), atol=1e-3)


def test_anisotropic_gaussian_turns_counter_clockwise():
    angle = 0.5
    _, covariance = moments(kernels.anisotropic_gaussian(41, (4.0, 1.5), angle))
    # Rows grow downwards, so that counter-clockwise means up on the right.
    axis = np.array([-np.sin(angle), np.cos(angle)])
    np.testing.assert_allclose(axis @ covariance @ axis, 16, rtol=1e-2)
    values = np.linalg.eigvalsh(covariance)
    np.testing.assert_allclose(values, [2.25, 16], rtol=1e-2)


def test_a_disc_and_a_line_have_the_moments_of_their_formulas():
    mean, covariance = moments(kernels.defocus(21, 6.0))
    np.testing.assert_allclose(mean, 0, atol=1e-6)
    np.testing.assert_allclose(covariance, 9 * np.eye(2), atol=0.15)
    mean, covariance = moments(kernels.line(31, 12.0, 0.5))
    np.testing.assert_allclose(mean, 0, atol=1e-3)
    axis = np.array([-np.sin(0.5), np.cos(0.5)])
    np.testing.assert_allclose(axis @ covariance @ axis, 12.0, atol=0.5)


@pytest.mark.parametrize("length", [0, -1, float("nan")])
def test_a_disc_and_a_line_need_a_length(length):
    with pytest.raises(InputError, match="expected > 0 pixels"):
        kernels.defocus(9, length)
    with pytest.raises(InputError, match="expected > 0 pixels"):
        kernels.line(9, length, 0.0)


def test_motion_is_seeded_centred_and_of_the_asked_length():
    first = kernels.motion(25, seed=1)
    np.testing.assert_array_equal(first, kernels.motion(25, seed=1))
    assert np.abs(first - kernels.motion(25, seed=2)).max() > 0.01
    np.testing.assert_allclose(moments(first)[0], 0, atol=0.5)
    for length in 4.0, 12.0, 24.0:
        support = np.argwhere(kernels.motion(25, seed=3, length=length) > 0)
        extent = np.ptp(support, axis=0).max()
        assert length - 1 <= extent <= length + 2
    straight = moments(kernels.motion(25, seed=4, bend=0.0))[1]
    assert np.linalg.eigvalsh(straight)[0] < 0.6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.gaussian(0, 1.0), "size=0"),
        (lambda: kernels.gaussian((3, 3, 3), 1.0), "size="),
        (lambda: kernels.gaussian(2.5, 1.0), "size="),
        (lambda: kernels.gaussian(5, 0.0), "standard deviation"),
        (lambda: kernels.gaussian(5, float("nan")), "standard deviation"),
        (lambda: kernels.anisotropic_gaussian(5, (1, -1), 0.0), "standard deviation"),
        (lambda: kernels.anisotropic_gaussian(5, (1, 1), float("inf")), "angle"),
        (lambda: kernels.motion(9, 0, length=9.5), "length=9.5"),
        (lambda: kernels.motion(9, 0, length=float("nan")), "length=nan"),
        (lambda: kernels.motion(9, 0, bend=-1), "bend=-1"),
        (lambda: kernels.normalise(np.zeros((3, 3))), "sums to 0"),
        (lambda: kernels.normalise(-np.ones((3, 3))), "sums to -9"),
        (lambda: kernels.normalise(np.zeros((0, 3))), "not empty"),
        (lambda: kernels.normalise(np.ones((3, 3, 3))), "expected .height, width."),
        (lambda: kernels.normalise(np.array([["a"]])), "expected real numbers"),
        (lambda: kernels.normalise(np.full((2, 2), np.inf)), "holds NaN or infinite"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(InputError, match=message) as failure:
        call()
    assert "\n" not in str(failure.value)


def test_load_kernel_reads_every_format(tmp_path):
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    expected = kernels.normalise(values)
    np.save(tmp_path / "k.npy", values)
    savemat(tmp_path / "k.mat", {"anything": values})
    savemat(tmp_path / "two.mat", {"k": values, "other": np.ones((2, 2))})
    Image.fromarray(values).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([values] * 3, -1)).save(tmp_path / "colour.png")
    Image.fromarray(values.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for path in tmp_path.iterdir():
        kernel = kernels.load_kernel(path)
        assert kernel.dtype == np.float32
        np.testing.assert_allclose(kernel, expected, rtol=1e-5, err_msg=path.name)


def bad_files(folder):
    def written(name, content):
        (folder / name).write_bytes(content)
        return folder / name

    np.save(folder / "zeros.npy", np.zeros((3, 3)))
    np.save(folder / "cube.npy", np.ones((3, 3, 3)))
    np.save(folder / "pickled.npy", np.array([{}]), allow_pickle=True)
    savemat(folder / "many.mat", {"a": np.ones((2, 2)), "b": np.ones((2, 2))})
    return {
        "does not exist": folder / "missing.npy",
        "has suffix": written("kernel.txt", b"1 2 3"),
        "cannot be read as .npy": written("text.npy", b"not an array"),
        "cannot be read as .png": written("text.png", b"not a picture"),
        "cannot be read as .mat": written("text.mat", b"not a matrix"),
        r"cannot be read as .npy \(.*pickle": folder / "pickled.npy",
        "sums to 0": folder / "zeros.npy",
        r"has shape \(3, 3, 3\)": folder / "cube.npy",
        r"2-D arrays \['a', 'b'\]": folder / "many.mat",
        "cannot be read as .npy.": written("empty.npy", b""),
    }


def test_load_kernel_refuses_in_one_line(tmp_path):
    for message, path in bad_files(tmp_path).items():
        with pytest.raises(InputError, match=message) as failure:
            kernels.load_kernel(path)
        assert "\n" not in str(failure.value) and path.name in str(failure.value)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_bicubic_is_pillows_away_from_the_border(factor):
    side = 12 * factor
    pixels = np.random.default_rng(factor).uniform(size=(side, side))
    image = Image.fromarray(pixels.astype(np.float32))
    expected = np.asarray(image.resize((12, 12), Image.Resampling.BICUBIC))
    reduced = Downsample.bicubic(factor)(jnp.asarray(np.asarray(image))[..., None])
    np.testing.assert_allclose(reduced[3:-3, 3:-3, 0], expected[3:-3, 3:-3], atol=2e-6)
