"""Arrays in, arrays out: what the command line does with files."""

import sys

import numpy as np
import pytest

import jaxrestore
from jaxrestore import InputError
from jaxrestore.data.images import read_image
from jaxrestore.restorer import _checked

SETTINGS = {"noise_std": 0.1, "stopping.max_steps": 2, "check": False}


def test_as_the_command_line(run, toy, photo, tmp_path):
    source = photo("a.png", (18, 21, 3))
    given = "--config=denoise", f"--input={source}", "--noise_std=0.1", "--nocheck"
    assert run(*given)[0] == 0
    restorer = jaxrestore.Restorer("denoise", {**SETTINGS, "prior": str(toy)})
    pixels = read_image(source).pixels
    found, again = restorer([pixels, np.rint(255 * pixels).astype(np.uint8)])
    written = read_image(tmp_path / "out" / "a" / "restored.png").pixels
    np.testing.assert_allclose(np.clip(found, 0, 1), written, atol=0.51 / 255)
    np.testing.assert_allclose(again, found, atol=1e-5)


def test_sizes_share_programs(toy):
    rng = np.random.default_rng(0)
    images = [rng.random((12 + i, 20 - i, 3), np.float32) for i in range(3)]
    sizes = [image.shape[:2] for image in images]
    settings = {**SETTINGS, "prior": str(toy)}
    programs = sys.modules["jaxrestore.solvers.restore"]._restore
    programs.clear_cache()
    shared = jaxrestore.Restorer("denoise", settings, sizes=sizes, programs=1)(images)
    assert programs._cache_size() == 1
    for image, found in zip(images, shared, strict=True):
        assert found.shape == image.shape


@pytest.mark.parametrize(
    "image", [np.ones((3, 4)), np.ones((3, 4, 2)), np.full((3, 4, 3), np.nan)]
)
def test_images_that_cannot_be_used(toy, image):
    restorer = jaxrestore.Restorer("denoise", {**SETTINGS, "prior": str(toy)})
    with pytest.raises(InputError, match="images: one has shape"):
        restorer([image])


def test_floats_up_to_255_are_refused_and_noise_is_not(toy):
    image = np.random.default_rng(0).random((9, 8, 3), np.float32)
    with pytest.raises(InputError, match="images: one has values from .* by 255"):
        _checked(255 * image)
    np.testing.assert_array_equal(_checked(3 * image - 1), 3 * image - 1)


def test_a_blur_is_not_made_up(toy):
    prior = {"prior": str(toy)}
    with pytest.raises(InputError, match="settings: kernel is missing"):
        jaxrestore.Restorer("motion_deblur", prior)
    with pytest.raises(InputError, match="settings: kernel is missing"):
        jaxrestore.Restorer("gaussian_deblur", prior | {"kernel.kind": "motion"})
    jaxrestore.Restorer("gaussian_deblur", prior | {"kernel.std": 2})


def test_few_sizes_have_their_own_programs(toy):
    prior, sizes = {"prior": str(toy)}, [(47, 47), (47, 47), (30, 31)]
    restorer = jaxrestore.Restorer("denoise", prior, sizes=sizes, programs=2)
    assert restorer._canvases == []
    restorer = jaxrestore.Restorer("denoise", prior, sizes=sizes, programs=1)
    assert len(restorer._canvases) == 1
    with pytest.raises(InputError, match="programs=0: expected a whole number from 1"):
        jaxrestore.Restorer("denoise", prior, sizes=sizes, programs=0)
