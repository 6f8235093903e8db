"""Arrays in, arrays out: what the command line does with files."""

import sys

import numpy as np
import pytest

import jaxrestore
from jaxrestore import InputError
from jaxrestore.data.images import read_image

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
