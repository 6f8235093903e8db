"""Kernels estimated from photographs: known blurs of known photographs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, signal
from skimage import color, data

from jaxrestore.errors import InputError
from jaxrestore.estimation.kernel import estimate_kernel
from jaxrestore.estimation.kernel.edges import Photograph
from jaxrestore.estimation.kernel.estimate import distance
from jaxrestore.estimation.kernel.families import FAMILIES
from jaxrestore.estimation.kernel.free import free_kernel, starts
from jaxrestore.estimation.kernel.simplex import centred, project_simplex, without_dust
from jaxrestore.estimation.kernel.sparse import Gradients, evidence
from jaxrestore.operators import kernels

NOISE = 1 / 255


def photograph(name, kernel=None, side=160):
    """The middle of a sample photograph behind a blur, with noise, 8 bits."""
    pixels = getattr(data, name)()
    image = pixels / 255 if pixels.ndim == 2 else color.rgb2gray(pixels)
    if kernel is not None:
        image = signal.fftconvolve(image, kernel, "valid")
    top, left = ((size - side) // 2 for size in image.shape)
    image = image[top : top + side, left : left + side]
    image = image + NOISE * np.random.default_rng(0).standard_normal(image.shape)
    return (np.round(255 * image.clip(0, 1)) / 255)[..., None]


@settings(deadline=None, max_examples=50, derandomize=True)
@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(-3, 3)))
def test_projection_onto_the_simplex(values):
    found = project_simplex(values)
    assert found.min() >= 0 and abs(found.sum() - 1) < 1e-12
    # Optimality: values - found is largest, and constant, where found is positive.
    gap = values - found
    np.testing.assert_allclose(gap[found > 0], gap.max(), atol=1e-12)


def test_dust_goes_and_the_centre_of_mass_is_the_centre():
    kernel = np.zeros((9, 9))
    kernel[1:3, 1:4] = 1
    kernel[7, 7] = 0.5
    found = centred(without_dust(kernel, 0.03))
    assert abs(found.sum() - 1) < 1e-12 and np.count_nonzero(found) == 6
    assert abs(np.array(np.nonzero(found)).mean(1) - 4).max() <= 0.5


@pytest.mark.parametrize("name", ["camera", "astronaut"])
@pytest.mark.parametrize("std", [1.2, 2.0])
def test_evidence_knows_the_width(name, std):
    image = photograph(name, kernels.gaussian(25, std), 128)[..., 0]
    seen = Gradients(image, 13)
    widths = std * np.array([0.5, 0.7, 0.85, 1, 1.15, 1.4, 2])
    scores = [evidence(seen, kernels.gaussian(25, w), 16 / 255**2) for w in widths]
    assert abs(widths[np.argmin(scores)] / std - 1) <= 0.151


def polygons(side):
    """Squares of several greys and sizes, turned; strong edges alone."""
    rng, image = np.random.default_rng(3), np.full((side, side), 0.5)
    rows, columns = np.indices(image.shape)
    for _ in range(25):
        row, column, angle = *rng.uniform(0, side, 2), rng.uniform(0, np.pi)
        along = (columns - column) * np.cos(angle) + (rows - row) * np.sin(angle)
        across = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
        inside = np.maximum(abs(along), abs(across)) < rng.uniform(15, 30)
        image[inside] = rng.uniform(0.1, 0.9)
    return image


def test_kernel_from_known_edges():
    sharp, kernel = polygons(120), kernels.motion(9, 1)
    photo = Photograph(ndimage.convolve(sharp, kernel, mode="reflect"), 9)
    slopes = np.zeros((2, *photo.shape), np.float32)
    slopes[0, :120, :119], slopes[1, :119, :120] = (
        np.diff(sharp),
        np.diff(sharp, axis=0),
    )
    found = photo.kernel(slopes, np.full((9, 9), 1 / 81))
    assert distance(found, kernel) < 0.03


def test_edges_behind_a_known_kernel():
    sharp, kernel = polygons(120), kernels.motion(9, 1)
    photo = Photograph(ndimage.convolve(sharp, kernel, mode="reflect"), 9)
    edges = photo.edges(kernel.astype(float), 1e-3)[:, 15:105, 15:105]
    across = np.diff(sharp)[15:105, 15:105]
    assert np.sum((edges[0] - across) ** 2) < 0.2 * np.sum(across**2)
    assert np.mean(edges[0] == 0) > 0.8


@pytest.mark.parametrize("seed", [1, 2])
def test_free_kernel(seed):
    kernel = kernels.motion(11, seed)
    image = signal.fftconvolve(polygons(190), kernel, "valid")
    image = image + NOISE * np.random.default_rng(0).standard_normal(image.shape)
    for start in starts():
        assert distance(free_kernel(image, 15, start), kernel) < 0.2


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_distance_does_not_see_shifts(down, right):
    kernel = np.pad(kernels.motion(9, 1), 4)
    assert distance(kernel, np.roll(kernel, (down, right), (0, 1))) < 1e-5
    assert distance(kernel, kernels.gaussian(9, 2.0)) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["camera", "astronaut"])
@pytest.mark.parametrize("std", [1.2, 2.0, 3.0])
def test_gaussian(name, std):
    found = estimate_kernel(photograph(name, kernels.gaussian(25, std), 320), NOISE)
    assert found.family == "gaussian"
    assert abs(found.parameters["std"] / std - 1) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, length, angle",
    [
        ("camera", 9, 0.6),
        ("camera", 13, 0.0),
        ("camera", 15, 1.57),
        ("astronaut", 9, 0.6),
        ("astronaut", 13, 0.0),
    ],
)
def test_straight_motion(name, length, angle):
    image = photograph(name, kernels.line(25, length, angle), 320)
    found = estimate_kernel(image, NOISE)
    assert found.family == "motion"
    assert abs(found.parameters["length"] / length - 1) < 0.15
    turned = (found.parameters["angle"] - np.degrees(angle) + 90) % 180 - 90
    assert abs(turned) < 7


@pytest.mark.slow
def test_a_formula_is_not_forced():
    """Of this one the free kernel is no line, and the evidence is for it."""
    kernel = kernels.line(25, 15, 1.57)
    found = estimate_kernel(photograph("astronaut", kernel, 320), NOISE)
    assert found.family == "free" and found.scores["free"] < found.scores["motion"]
    assert distance(found.kernel, kernel) < 0.45


@pytest.mark.parametrize("name", ["camera", "astronaut"])
def test_a_sharp_photograph_has_no_blur(name):
    found = estimate_kernel(photograph(name, side=128), NOISE, max_size=15)
    assert found.family == "none" and found.kernel.shape == (1, 1)


@pytest.mark.slow
def test_estimate_does_not_depend_on_grey_level_or_colour():
    image = photograph("camera", kernels.gaussian(15, 1.5), 96)
    first = estimate_kernel(image, NOISE, max_size=9)
    for other in (np.repeat(image, 3, -1), 1 - image, image.transpose(1, 0, 2)):
        found = estimate_kernel(other, NOISE, max_size=9)
        assert found.family == first.family
        assert abs(found.parameters["std"] / first.parameters["std"] - 1) < 0.1
        assert found.kernel.dtype == np.float32 and found.kernel.min() >= 0
        assert abs(found.kernel.sum() - 1) < 1e-5
        assert all(side % 2 for side in found.kernel.shape)
        assert 0 <= found.confidence <= 1


@pytest.mark.parametrize("size", [3, 5, 25])
def test_families_start_somewhere_with_a_parameter_for_every_step(size):
    for family in FAMILIES:
        assert family.starts(size)
        for start in family.starts(size):
            assert len(start) == len(family.names) == len(family.steps)
            assert abs(family.make(size, *start).sum() - 1) < 1e-5


def test_an_image_without_edges_is_uncertain():
    ramp = np.linspace(0.4, 0.5, 50)[:, None, None].repeat(50, 1)
    found = estimate_kernel(ramp, NOISE, max_size=9)
    assert found.confidence < 0.2 and found.notes


def test_a_constant_image_says_nothing():
    found = estimate_kernel(np.full((60, 60, 1), 0.5), NOISE)
    assert found.family == "none" and found.confidence == 0 and found.notes


@pytest.mark.parametrize(
    "image, noise, size, message",
    [
        (np.zeros((60, 60)), 0.01, 25, "expected floats"),
        (np.zeros((60, 60, 3), int), 0.01, 25, "convert"),
        (np.full((60, 60, 3), np.nan), 0.01, 25, "NaN"),
        (np.zeros((40, 60, 1)), 0.01, 25, "twice max_size=25"),
        (np.zeros((60, 60, 1)), -1, 25, "noise_std=-1"),
        (np.zeros((60, 60, 1)), 0.01, 2, "max_size=2"),
    ],
)
def test_mistakes(image, noise, size, message):
    with pytest.raises(InputError, match=message):
        estimate_kernel(image, noise, max_size=size)
