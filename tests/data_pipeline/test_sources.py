"""Training sources: which images can be used, and how they are reduced."""

import numpy as np
import pytest
from PIL import Image

from jaxrestore.data.config import DataConfig
from jaxrestore.data.sources import ImageFolder, TfdsImages
from jaxrestore.errors import InputError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 24, 3), dtype=np.uint8)


def data(**settings):
    return DataConfig(**({"patch_size": 8, "scales": (1,)} | settings))


def only_image(folder, **settings):
    return ImageFolder(str(folder), data(**settings))[0]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "1", "CMYK"])
def test_modes_become_rgb(tmp_path, mode):
    name = "a.jpg" if mode == "CMYK" else "a.png"
    Image.fromarray(RGB).convert(mode).save(tmp_path / name)
    (image,) = only_image(tmp_path)
    assert image.shape == (20, 24, 3) and image.dtype == np.uint8
    if mode in ("RGB", "RGBA"):
        np.testing.assert_array_equal(image, RGB)
    if mode in ("L", "LA", "1"):
        np.testing.assert_array_equal(image[..., 0], image[..., 2])


def test_sixteen_bit_grey_keeps_upper_bits(tmp_path):
    grey = RGB[..., 0].astype(np.uint16) * 256 + 77
    Image.fromarray(grey).save(tmp_path / "a.png")
    (image,) = only_image(tmp_path)
    np.testing.assert_array_equal(image, np.repeat(RGB[..., :1], 3, axis=2))


def test_pyramid_is_block_means(tmp_path):
    odd = np.pad(RGB, ((0, 1), (0, 3), (0, 0)))
    Image.fromarray(odd).save(tmp_path / "a.png")
    full, half = only_image(tmp_path, scales=(1, 2, 4))
    blocks = odd[:20, :26].reshape(10, 2, 13, 2, 3).mean((1, 3))
    assert full.shape == (21, 27, 3)  # and no scale 4: 5 pixels hold no patch of 8
    assert np.abs(half - blocks).max() <= 0.5


def test_folder_is_searched_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    for i, name in enumerate(["b/z.png", "a.JPEG", "c.webp", "._a.png"]):
        Image.new("RGB", (8 + i, 8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    source = ImageFolder(str(tmp_path), data())
    names = [path.relative_to(tmp_path).as_posix() for path in source.files]
    assert names == ["a.JPEG", "b/z.png", "c.webp"]
    same = ImageFolder(str(tmp_path), data(cache=False))
    before = source.content_hash()
    assert same.content_hash() == before
    np.testing.assert_array_equal(source[1][0], same[1][0])
    (tmp_path / "c.webp").unlink()
    assert ImageFolder(str(tmp_path), data()).content_hash() != before


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", "truncated"])
def test_broken_file_is_named(tmp_path, content):
    if content == "truncated":
        Image.fromarray(RGB).save(tmp_path / "whole.png")
        content = (tmp_path / "whole.png").read_bytes()[:-300]
        (tmp_path / "whole.png").unlink()
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.png cannot be read"):
        only_image(tmp_path)


def test_floating_point_image_is_refused(tmp_path):
    Image.fromarray(np.ones((9, 9), np.float32)).save(tmp_path / "deep.tif")
    with pytest.raises(InputError, match=r"deep\.tif has 'F' pixels"):
        only_image(tmp_path)


def test_small_image_is_named(tmp_path):
    Image.new("RGB", (30, 7)).save(tmp_path / "thin.png")
    with pytest.raises(InputError, match=r"thin\.png is 30x7.*patch_size=8"):
        only_image(tmp_path)


def test_folder_without_images(tmp_path):
    with pytest.raises(InputError, match="holds no images"):
        ImageFolder(str(tmp_path), data())
    with pytest.raises(InputError, match="does not exist"):
        ImageFolder(str(tmp_path / "none"), data())


def test_tfds_source(monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    examples = [{"image": RGB}, {"image": RGB[..., :1]}, {"label": 3}]
    calls = []

    def data_source(name, split, data_dir):
        calls.append((name, split, data_dir))
        return examples

    monkeypatch.setattr(tfds, "data_source", data_source)
    source = TfdsImages("set/variant:train[:3]", data(scales=(1, 2)))
    assert calls == [("set/variant", "train[:3]", None)] and len(source) == 3
    np.testing.assert_array_equal(source[0][0], RGB)
    np.testing.assert_array_equal(source[1][0][..., 2], RGB[..., 0])
    assert source[0][1].shape == (10, 12, 3)
    with pytest.raises(InputError, match="no 'image' feature"):
        source[2]


def test_other_pixels_of_a_tfds_set(monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    hashes = []
    for last in (RGB, RGB, RGB ^ 1):
        examples = [{"image": RGB}] * 5 + [{"image": last}]
        monkeypatch.setattr(tfds, "data_source", lambda *_, e=examples, **__: e)
        hashes.append(TfdsImages("set:train", data()).content_hash())
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("name", ["cifar10", "no_such_set_at_all:train"])
def test_wrong_tfds_name(name, tmp_path):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(InputError, match=name):
        TfdsImages(name, data(tfds_dir=str(tmp_path)))
