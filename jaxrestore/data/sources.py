"""Random-access sources of training images: a folder, or a TFDS set.

A source maps an index to an *image pyramid*: a tuple of uint8 arrays (H, W, C), C 3
for colour and 1 for grey, the image itself and one reduced copy (block averages) for
each further scale.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from jaxrestore.data.config import SAME, DataConfig
from jaxrestore.data.images import BROKEN, SUFFIXES, image_files
from jaxrestore.errors import InputError

Pyramid = tuple[np.ndarray, ...]


def decode(image: Image.Image, channels: int, name: str) -> Image.Image:
    """Bring an opened image to 8-bit RGB (3 channels) or grey (1), upright.

    Grey is repeated over the colours, or colours are weighted to luma; alpha is
    dropped, a palette and CMYK are converted, 16-bit grey keeps its upper eight bits.

    Raises:
        InputError: the image has 32-bit or floating-point pixels.
    """
    image = ImageOps.exif_transpose(image) or image
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise InputError(
            f"image {name} has {image.mode!r} pixels (32 bits each), expected 8 or"
            " 16 bits a channel; convert it or remove it from the folder"
        )
    colour = image.convert("RGB")
    return colour if channels == 3 else colour.convert("L")


def make_pyramid(image: Image.Image, data: DataConfig, name: str) -> Pyramid:
    """Reduce an image by block averages, as far as a patch still fits.

    Args:
        image: opened; it is brought to 8 bits by `decode`.
        data: `channels`, `scales` and `patch_size`.
        name: file name for messages.

    Returns:
        One uint8 array (H // s, W // s, C) per scale s that holds a patch; at
        least one.

    Raises:
        InputError: of `decode`, or the image is smaller than a patch at the finest
            scale.
    """
    image, levels = decode(image, data.channels, name), []
    for scale in data.scales:
        width, height = image.width // scale, image.height // scale
        if min(width, height) < data.patch_size:
            break
        # Cropping first keeps partial blocks out of the averages.
        whole = image.crop((0, 0, width * scale, height * scale))
        reduced = whole.reduce(scale) if scale > 1 else whole
        levels.append(np.atleast_3d(np.asarray(reduced)))
    if not levels:
        raise InputError(
            f"image {name} is {image.width}x{image.height}, smaller than"
            f" data.patch_size={data.patch_size} at scale {data.scales[0]}; remove it"
            " or use smaller patches"
        )
    return tuple(levels)


class ImageFolder:
    """Images of any sizes below a folder, in the order of their relative paths.

    Args:
        root: folder, searched with its subfolders; files of other kinds are
            ignored.
        data: the section of the config. With `cache` all is decoded now and kept in
            memory (about 4 bytes a pixel for scales 1, 2, 4), which also reports
            unusable files at the start. With ``unreadable="skip"`` files that cannot
            be used are left out, each named on standard error, instead of stopping
            at the first; reads every file now.

    Raises:
        InputError: no such folder, no images in it, or an unusable image.
    """

    def __init__(self, root: str, data: DataConfig):
        self.root, self.data = Path(root), data
        if not self.root.is_dir():
            raise InputError(
                f"data folder {str(root)!r} does not exist or is not a folder; set"
                " --config.data.train (and .val, .degraded) to folders of images"
            )
        found, skip = image_files(root, "**/*"), data.unreadable == "skip"
        if not found:
            raise InputError(
                f"data folder {str(root)!r} holds no images; expected files ending in"
                f" {', '.join(SUFFIXES)}"
            )
        self.files = [path for path in found if not skip or self._usable(path)]
        if not self.files:
            raise InputError(
                f"data folder {str(root)!r}: none of its {len(found)} images can be"
                " used, see above; expected images larger than a patch"
            )
        self._cache: list[Pyramid] = []
        if data.cache:
            with ThreadPoolExecutor(2) as pool:
                self._cache = list(pool.map(self._read, self.files))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Pyramid:
        return self._cache[index] if self._cache else self._read(self.files[index])

    def _usable(self, path: Path) -> bool:
        try:
            self._read(path)
        except InputError as error:
            print(f"left out: {error}", file=sys.stderr)
            return False
        return True

    def _read(self, path: Path) -> Pyramid:
        try:
            with Image.open(path) as image:
                return make_pyramid(image, self.data, str(path))
        except InputError:
            raise
        except BROKEN as e:
            raise InputError(
                f"image {path} cannot be read ({' '.join(str(e).split())}); repair it"
                " or remove it from the folder"
            ) from e

    def content_hash(self) -> str:
        """Short hash of relative paths and contents; reads every file once."""
        digest = sha256()
        with ThreadPoolExecutor(2) as pool:
            digests = pool.map(lambda p: sha256(p.read_bytes()).digest(), self.files)
            for path, content in zip(self.files, digests, strict=True):
                digest.update(path.relative_to(self.root).as_posix().encode() + content)
        return digest.hexdigest()[:16]


class TfdsImages:
    """The "image" feature of a TensorFlow Datasets split, read without TensorFlow.

    Args:
        name: "dataset:split", e.g. "div2k/hr:train".
        data: the section of the config; `tfds_dir` is where the prepared sets lie.

    Raises:
        InputError: malformed name, unknown set or split, no "image" feature.
    """

    def __init__(self, name: str, data: DataConfig):
        import tensorflow_datasets as tfds

        self.name, self.data = name, data
        dataset, _, split = name.partition(":")
        if not dataset or not split:
            raise InputError(
                f"TFDS source {name!r} must read 'dataset:split', e.g. 'cifar10:train'"
            )
        folder = data.tfds_dir or None
        try:
            self.examples: Any = tfds.data_source(dataset, split=split, data_dir=folder)
        except Exception as e:  # TFDS raises many kinds for a wrong name or split
            raise InputError(
                f"TFDS source {name!r} cannot be opened: {' '.join(str(e).split())}"
            ) from e

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Pyramid:
        name = f"{self.name}[{index}]"
        try:
            pixels = np.asarray(self.examples[index]["image"])
        except KeyError as e:
            raise InputError(f"TFDS source {self.name!r} has no 'image' feature") from e
        if pixels.dtype != np.uint8:
            raise InputError(f"{name} has {pixels.dtype} pixels, expected uint8")
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        return make_pyramid(image, self.data, name)

    def content_hash(self) -> str:
        """Name, split, length, and a short hash of examples all over the set."""
        digest, count = sha256(), len(self)
        for index in np.linspace(0, count - 1, min(count, 64)).astype(int):
            digest.update(np.asarray(self.examples[int(index)]["image"]).tobytes())
        return f"{self.name} x{count} {digest.hexdigest()[:16]}"


def open_sources(data: DataConfig, split: str) -> dict[str, ImageFolder | TfdsImages]:
    """Open the sources of the arrays of a batch.

    Args:
        data: the `data` section of the config.
        split: "train" or "val".

    Returns:
        "image", and with ``data.degraded`` also "degraded".
    """
    sources = {"image": open_source(data, split)}
    if data.degraded == SAME:
        sources["degraded"] = sources["image"]
    elif data.degraded:
        name = "degraded" if split == "train" else "degraded_val"
        sources["degraded"] = open_source(data, name)
    return sources


def open_source(data: DataConfig, split: str) -> ImageFolder | TfdsImages:
    """Open one source that the `data` section of a training config names.

    Args:
        data: the `data` section of the config.
        split: its field, "train", "val", "degraded" or "degraded_val".
    """
    kind = TfdsImages if data.kind == "tfds" else ImageFolder
    return kind(getattr(data, split), data)


def contents(data: DataConfig, sources) -> dict[str, str]:
    """Content hashes of training sources by their name in the `data` section."""
    hashes = {"train": sources["image"].content_hash(), "degraded": data.degraded}
    if data.degraded not in ("", SAME):
        hashes["degraded"] = sources["degraded"].content_hash()
    return hashes
