"""Every kind of image file that users bring."""

import base64

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from jaxrestore.data.files import atomic_path
from jaxrestore.data.images import list_images, read_image, write_png
from jaxrestore.errors import InputError

_COLOUR = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)

_INTERLACED = (  # 16-bit colour, _COLOUR above a lower byte of 77
    "iVBORw0KGgoAAAANSUhEUgAAAAwAAAAJEAIAAAGuTbbWAAAB+UlEQVR4nB2SV0iVcRiH/0ZptGkhDa0u"
    "NGhASWVJ2iBC8jG6ESrotBfeSEjaMiIODRpEQRsiDG1ZnYqj2bQBQRtKMUIKGohoxCEjqB66+Ph4v3c9"
    "v9/7hQg7eMBwOphFSKU3cznJCJIJndymHyFKOTcI2fTnCC+YxiTW8pQlhL6cZSTPKKSaHLr6hFoK+G7N"
    "GqbzinSqCBG2MJuLtr/mKIv9HNq4SxFLabcantDMHS44tYMEn9lmnE7I4xEDSOU34/jBJSqY6vsx9VSS"
    "Ri5XqCE0SdTKO5pUMYc4X927lR423iSTBXxgLOEAKSamENT20r6DlBEzWilGo6K+sI8wUNGtvCWDzRTT"
    "S2kJ8mxMkjPFTBpdCM/FTqaE0Sxze640FezknADb6ck6Ca8TirnvK6YhcT5xyHS5/razS7Ubhc/WjFDG"
    "JiZKU8gwZvwvWch5vjnvGm1OKxGjgBOKOq60TiLkc486iSt4zxmZkxjDXsIGb3SM7g54oxcNssa8Tp0j"
    "M6lVXj4P+akLfWxsZrC3mccvR4y3o4puOpfFKfYQqrXtsme4xUf2E7VwsnElE1itjTM9Tgu7LV3FEBc2"
    "2HZVKcuNEvyhVNszXPaXUM8iLV4hQ44jW7SpRpNHMUhHsjgsVamMcbPrldno/3La5qinLmSobid0upj5"
    "/AP0mAFR8h6WxQAAAABJRU5ErkJggg=="
)


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


def test_sixteen_bit_grey_comes_back(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (9, 12)).astype(np.uint16)
    loaded = read_image(_save(tmp_path, Image.fromarray(deep)))
    assert loaded.bit_depth == 16
    np.testing.assert_allclose(loaded.pixels[..., 0], deep / 65535, atol=1e-6)
    write_png(tmp_path / "again.png", loaded.pixels, loaded.bit_depth)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "again.png")), deep)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bit_png_comes_back(tmp_path, channels):
    deep = np.random.default_rng(0).integers(0, 65536, (9, 12, channels), np.uint16)
    colours = channels - 1 + channels % 2
    alpha = deep[..., colours:] / 65535 if channels > colours else None
    write_png(tmp_path / "a.png", deep[..., :colours] / 65535, 16, alpha=alpha)
    loaded = read_image(tmp_path / "a.png")
    assert loaded.bit_depth == 16
    np.testing.assert_array_equal(np.rint(loaded.pixels * 65535), deep[..., :colours])
    if alpha is None:
        assert loaded.alpha is None
    else:
        np.testing.assert_allclose(loaded.alpha, alpha, atol=1e-6)
    # Another reader sees the upper bytes.
    mode, upper = ("LA", "RGB", "RGBA")[channels - 2], deep >> 8
    seen = np.asarray(Image.open(tmp_path / "a.png").convert(mode))
    np.testing.assert_array_equal(seen, upper)


def test_sixteen_bit_png_of_other_software(tmp_path):
    """Filters and interlacing that our own files do not have."""
    deep = (_COLOUR.astype(np.uint16) << 8) + 77
    path = tmp_path / "deep.png"
    path.write_bytes(base64.b64decode(_INTERLACED))
    np.testing.assert_allclose(read_image(path).pixels, deep / 65535, atol=1e-7)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "deep.tif"])
def test_camera_rotation(tmp_path, suffix, orientation):
    """As Pillow turns it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    if suffix == "deep.tif":
        tag = (274, "H", 1, orientation, True)
        deep = _COLOUR.astype(np.uint16) * 257
        tifffile.imwrite(path, deep, photometric="rgb", extratags=[tag])
    else:
        Image.fromarray(_COLOUR).save(path, exif=exif, quality=100, subsampling=0)
    turned = Image.fromarray(_COLOUR)
    turned.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(turned)) / 255
    error = np.abs(read_image(path).pixels - expected).mean()
    assert error < (0.02 if suffix == "jpg" else 1e-6)


@pytest.mark.parametrize("kind", ["RGB", "L", "RGBA", "P", "deep.tif", "deep.png"])
def test_colour_profile_is_kept(tmp_path, kind):
    icc, path = bytes(range(256)) * 5, tmp_path / "a.png"
    deep = _COLOUR.astype(np.uint16) * 257
    if kind == "deep.tif":
        path = tmp_path / "a.tif"
        tag = (34675, "B", len(icc), icc, True)
        tifffile.imwrite(path, deep, photometric="rgb", extratags=[tag])
    elif kind == "deep.png":
        write_png(path, deep / 65535, 16, icc=icc)
    else:
        Image.fromarray(_COLOUR).convert(kind).save(path, icc_profile=icc)
    loaded = read_image(path)
    assert loaded.icc == icc
    for depth in (8, 16):
        write_png(tmp_path / "b.png", loaded.pixels, depth, icc=loaded.icc)
        assert Image.open(tmp_path / "b.png").info["icc_profile"] == icc


def test_alpha_is_kept_and_enlarged(tmp_path):
    alpha = np.add.outer(10 * np.arange(9), 15 * np.arange(12)).astype(np.uint8)
    path = _save(tmp_path, Image.fromarray(np.dstack([_COLOUR, alpha])))
    loaded = read_image(path)
    np.testing.assert_allclose(loaded.pixels, _COLOUR / 255, atol=1e-6)
    write_png(path, loaded.pixels, alpha=loaded.alpha)
    again = np.asarray(Image.open(path))
    np.testing.assert_array_equal(again, np.dstack([_COLOUR, alpha]))
    write_png(path, np.zeros((18, 24, 1)), alpha=loaded.alpha)
    image = Image.open(path)
    assert (image.mode, image.size) == ("LA", (24, 18))
    expected = Image.fromarray(alpha).resize((24, 18), Image.Resampling.BICUBIC)
    difference = np.float32(image.getchannel("A")) - np.asarray(expected)
    assert np.abs(difference).max() <= 1
    opaque = _save(tmp_path, Image.fromarray(_COLOUR).convert("RGBA"))
    assert read_image(opaque).alpha is None


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
