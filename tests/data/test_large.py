"""Windows of large files: TIFF of every layout in, TIFF out."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxrestore.data import images, large
from jaxrestore.data.images import read_image
from jaxrestore.data.large import LargeImage, TIFFTarget, open_large, size_of
from jaxrestore.data.stored import Stored, copy, reduced, reserve, sampled
from jaxrestore.errors import InputError

SHAPE = (70, 53, 3)


def _pixels(shape=SHAPE, dtype=np.uint8, seed=0):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("how", "decoded"),
    [
        ({}, False),
        ({"byteorder": ">"}, False),
        ({"rowsperstrip": 9, "compression": "zlib", "predictor": True}, True),
        ({"tile": (32, 16)}, True),
        ({"tile": (32, 16), "compression": "zlib"}, True),
    ],
)
@pytest.mark.parametrize("shape", [SHAPE, SHAPE[:2]])
def test_tiffs_by_windows(tmp_path, how, decoded, dtype, shape):
    path, pixels, asked = tmp_path / "a.tif", _pixels(shape, dtype), []
    tifffile.imwrite(path, pixels, photometric=None, **how)

    def scratch():
        asked.append(True)
        return tmp_path

    found = open_large(path, scratch)
    assert bool(asked) == decoded and size_of(path) == SHAPE[:2]
    assert found.bit_depth == 8 * np.dtype(dtype).itemsize
    window = slice(5, 66), slice(40, 53)
    expected = pixels.reshape(*SHAPE[:2], -1)[window] / np.float32(np.iinfo(dtype).max)
    assert found.shape == (*SHAPE[:2], expected.shape[-1])
    np.testing.assert_allclose(found[window], expected, rtol=1e-6)


def test_other_files_are_decoded_whole(tmp_path, monkeypatch):
    pixels = _pixels()
    for name, mode in (("a.png", "RGB"), ("b.png", "RGBA"), ("c.tif", "CMYK")):
        Image.fromarray(pixels).convert(mode).save(tmp_path / name)
        found = open_large(tmp_path / name, lambda: tmp_path / "nowhere")
        np.testing.assert_allclose(found[:, :], pixels / np.float32(255), atol=2e-2)
    # More than Pillow decodes unasked: said, not refused, and only where it is asked.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    (note,) = open_large(tmp_path / "a.png", lambda: tmp_path).notes
    assert "decompression bombs" in note and size_of(tmp_path / "a.png") == SHAPE[:2]
    with pytest.raises(InputError, match="cannot be read as an image"):
        read_image(tmp_path / "a.png")
    monkeypatch.setattr(large, "_DECODED", 1e9)
    with pytest.raises(InputError, match="no room for them; expected an uncompressed"):
        open_large(tmp_path / "a.png", lambda: tmp_path)


@pytest.mark.parametrize("broken", [b"", b"II*\0nonsense"])
def test_broken_tiffs(tmp_path, broken):
    path = tmp_path / "a.tif"
    path.write_bytes(broken)
    assert size_of(path) is None
    with pytest.raises(InputError, match="a.tif: cannot be read as an image"):
        open_large(path, lambda: tmp_path)


@pytest.mark.parametrize("how", [{}, {"compression": "zlib", "rowsperstrip": 9}])
def test_damaged_tiffs(tmp_path, how):
    """Those that end early, or whose strips are no longer what was compressed."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, _pixels(dtype=np.uint16), **how)
    whole, (first, *_) = path.read_bytes(), tifffile.TiffFile(path).pages[0].dataoffsets
    path.write_bytes(whole[:first] + bytes(500) + whole[first + 500 :])
    if not how:
        path.write_bytes(whole[:-500])
    for read in (read_image, lambda path: open_large(path, lambda: tmp_path)):
        with pytest.raises(InputError, match="a.tif: cannot be read as an image"):
            read(path)


def test_orientations_that_are_none(tmp_path):
    path = tmp_path / "a.tif"
    text = [(large._ORIENTATION, "s", 2, "6", True)]
    tifffile.imwrite(path, _pixels(), extratags=text)
    assert size_of(path) == SHAPE[:2]
    assert open_large(path, lambda: tmp_path).orientation == 1


@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_lies_beyond_the_colours(tmp_path, extra, dtype):
    samples = _pixels((*SHAPE[:2], 4))
    samples = samples if dtype == np.uint8 else samples / np.float32(255)
    how = {"photometric": "rgb", "extrasamples": [extra]}
    tifffile.imwrite(tmp_path / "a.tif", samples, **how)
    like = open_large(tmp_path / "a.tif", lambda: tmp_path)
    target = TIFFTarget(tmp_path / "b.tif", like, 3)
    target[:, :] = like[:, :]
    target.move(tmp_path / "c.tif")
    np.testing.assert_allclose(target[:, :], like[:, :], atol=1e-5)
    with tifffile.TiffFile(tmp_path / "c.tif") as file:
        assert file.pages[0].extrasamples == (extra,)
    top = 255 if dtype == np.uint8 else 65535
    found, expected = tifffile.imread(tmp_path / "c.tif") / top, samples
    scale = 255 if dtype == np.uint8 else 1
    np.testing.assert_allclose(found, expected / scale, atol=1e-5)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_written_as_it_was_read(tmp_path, depth, channels):
    """Depth, profile, alpha, orientation; grey is averaged; each window is scored."""
    samples = _pixels((*SHAPE[:2], channels), np.uint8 if depth == 8 else np.uint16)
    like = LargeImage(samples, depth, icc=b"profile", orientation=3)
    colours = like.shape[2]
    target = TIFFTarget(tmp_path / "a.tif", like, 3, clean=like)
    values = np.random.default_rng(1).uniform(-0.1, 1.1, SHAPE).astype(np.float32)
    for rows in (slice(0, 30), slice(30, 70)):
        for columns in (slice(20, 53), slice(0, 20)):
            target[rows, columns] = values[rows, columns]
    expected = values if colours == 3 else values.mean(-1, keepdims=True)
    expected = np.clip(expected, 0, 1)
    back = open_large(tmp_path / "a.tif", lambda: tmp_path)
    assert (back.bit_depth, back.icc, back.orientation) == (depth, b"profile", 3)
    np.testing.assert_allclose(back[:, :], expected, atol=0.51 / (2**depth - 1))
    np.testing.assert_allclose(target[:, :], np.broadcast_to(back[:, :], SHAPE))
    np.testing.assert_array_equal(
        back.samples[:, :][..., colours:], samples[..., colours:]
    )
    error = np.mean((expected - like[:, :].astype(np.float64)) ** 2)
    np.testing.assert_allclose(target.psnr, -10 * np.log10(error), rtol=1e-6)
    if channels != 2:
        whole = read_image(tmp_path / "a.tif").pixels
        np.testing.assert_allclose(images.upright(whole, 3), back[:, :], atol=1e-6)


def test_more_than_4_gigabytes(tmp_path, monkeypatch):
    """BigTIFF; sparse here, the room for it is asked for."""
    asked = []
    monkeypatch.setattr(large, "reserve", lambda path, size: asked.append(size))
    like = LargeImage(Stored(tmp_path / "no", (40_000, 40_000, 3), np.uint8))
    target = TIFFTarget(tmp_path / "a.tif", like, 3)
    corner = slice(39_990, 40_000), slice(39_990, 40_000)
    target[corner] = np.full((10, 10, 3), 0.2, np.float32)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff and file.pages.first.shape == like.shape
    assert asked[0] > 4.8e9
    np.testing.assert_allclose(target[corner], 0.2)


def test_stored_arrays(tmp_path):
    stored = Stored(tmp_path / "x", SHAPE, np.float32)
    values = np.random.default_rng(0).uniform(size=SHAPE).astype(np.float32)
    copy(values, stored)
    np.testing.assert_array_equal(stored[3:60, 7:9], values[3:60, 7:9])
    assert (tmp_path / "x").stat().st_size == stored.bytes == 4 * values.size
    with pytest.raises(InputError, match="cannot reserve .* GB"):
        reserve(tmp_path / "y", 2**62)


def test_what_stands_for_a_large_image():
    image = np.arange(1100 * 1300.0).reshape(1100, 1300, 1)
    found = sampled(image)
    assert found.shape == (1024, 1024, 1)
    np.testing.assert_array_equal(found[-256:, -256:], image[-256:, -256:])
    np.testing.assert_array_equal(found[256:512, :256], image[281:537, :256])
    assert sampled(image[:300]).shape == (300, 1024, 1)
    for shape in ((1100, 1300), (1100, 7), (5, 4)):
        part = image[: shape[0], : shape[1]]
        small = reduced(part, 100)
        factor = -(-max(shape) // 100)
        assert small.shape[:2] == tuple(max(n // factor, 1) for n in shape)
        square = part[:factor, :factor].mean()
        np.testing.assert_allclose(small[0, 0, 0], square)
