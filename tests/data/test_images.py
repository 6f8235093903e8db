"""Every kind of image file that users bring."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxrestore.data.files import atomic_path
from jaxrestore.data.images import list_images, read_image, write_png
from jaxrestore.errors import InputError

_COLOUR = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)


def _save(tmp_path, image, name="image.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1", "CMYK"])
def test_modes(tmp_path, mode):
    image = Image.fromarray(_COLOUR).convert(mode)
    name = "image.tif" if mode == "CMYK" else "image.png"
    loaded = read_image(_save(tmp_path, image, name))
    grey = mode in ("L", "LA", "1")
    expected = np.asarray(image.convert("L" if grey else "RGB"), np.float32) / 255
    np.testing.assert_array_equal(loaded.pixels.squeeze(), expected)
    assert loaded.pixels.shape == (9, 12, 1 if grey else 3)
    assert loaded.pixels.dtype == np.float32


def test_transparency_is_dropped_with_a_note(tmp_path):
    pixels = np.dstack([_COLOUR, np.full((9, 12), 100, np.uint8)])
    loaded = read_image(_save(tmp_path, Image.fromarray(pixels)))
    np.testing.assert_allclose(loaded.pixels, _COLOUR / 255, atol=1e-6)
    assert loaded.notes == ("transparency was dropped",)


def test_sixteen_bit_grey_comes_back(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (9, 12)).astype(np.uint16)
    loaded = read_image(_save(tmp_path, Image.fromarray(deep)))
    assert loaded.bit_depth == 16
    np.testing.assert_allclose(loaded.pixels[..., 0], deep / 65535, atol=1e-6)
    write_png(tmp_path / "again.png", loaded.pixels, loaded.bit_depth)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "again.png")), deep)


def test_sixteen_bit_colour_tiff(tmp_path):
    deep = (_COLOUR.astype(np.uint16) << 8) + 77
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb")
    loaded = read_image(tmp_path / "deep.tif")
    np.testing.assert_allclose(loaded.pixels, deep / 65535, atol=1e-6)
    assert "16-bit" in loaded.notes[0]


def test_camera_rotation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _save(tmp_path, Image.fromarray(_COLOUR), "image.png", exif=exif)
    assert read_image(path).pixels.shape == (12, 9, 3)


def test_written_colour_is_what_was_read(tmp_path):
    write_png(tmp_path / "a.png", _COLOUR / 255)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), _COLOUR)
    write_png(tmp_path / "a.png", np.array([[[-1.0], [2.0], [np.nan]]]))
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "a.png")), [[0, 255, 0]]
    )


def _broken(tmp_path, kind):
    path = tmp_path / f"{kind}.png"
    if kind == "text":
        path.write_text("a list of things to do\n")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        big = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
        whole = _save(tmp_path, Image.fromarray(big), "whole.png")
        path.write_bytes(whole.read_bytes()[:9000])
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "truncated", "folder"])
def test_unusable_files_are_told_in_one_line(tmp_path, kind):
    path = _broken(tmp_path, kind)
    with pytest.raises(InputError) as caught:
        read_image(path)
    message = str(caught.value)
    assert str(path) in message and "expected" in message and "\n" not in message


def test_float_values_out_of_range(tmp_path):
    path = _save(tmp_path, Image.fromarray(np.full((4, 4), 3.0, np.float32)), "f.tif")
    with pytest.raises(InputError, match="scale it"):
        read_image(path)


def test_folder_listing(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    assert [file.name for file in list_images(tmp_path)] == ["a.JPG", "b.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image"):
        list_images(tmp_path / "empty")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_into_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        write_png(tmp_path / "file" / "a.png", _COLOUR / 255)
