"""Random-access sources of training images: a folder, or a TFDS set.

A source maps an index to an *image pyramid*: a tuple of uint8 arrays (H, W, C), C 3
for colour and 1 for grey, the image itself and one reduced copy (block averages) for
each further scale.
"""

import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from jaxrestore.data.config import SAME, DataConfig
from jaxrestore.data.images import SUFFIXES
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


def make_pyramid(
    image: Image.Image, scales: Sequence[int], patch_size: int, name: str
) -> Pyramid:
    """Reduce an image by block averages, as far as a patch still fits.

    Args:
        image: 8-bit RGB or grey.
        scales: reduction factors, increasing, the first the finest.
        patch_size: side of the patches to be cut, in pixels.
        name: file name for messages.

    Returns:
        One uint8 array (H // s, W // s, C) per scale s that holds a patch; at
        least one.

    Raises:
        InputError: the image is smaller than a patch at the finest scale.
    """
    levels = []
    for scale in scales:
        width, height = image.width // scale, image.height // scale
        if min(width, height) < patch_size:
            break
        # Cropping first keeps partial blocks out of the averages.
        whole = image.crop((0, 0, width * scale, height * scale))
        reduced = whole.reduce(scale) if scale > 1 else whole
        levels.append(np.atleast_3d(np.asarray(reduced)))
    if not levels:
        raise InputError(
            f"image {name} is {image.width}x{image.height}, smaller than"
            f" data.patch_size={patch_size} at scale {scales[0]}; remove it or use"
            " smaller patches"
        )
    return tuple(levels)


class ImageFolder:
    """Images of any sizes below a folder, in the order of their relative paths.

    Args:
        root: folder, searched with its subfolders; files of other kinds are
            ignored.
        patch_size: side of the patches to be cut, in pixels.
        scales: reduction factors, increasing.
        cache: decode everything now and keep it in memory (about 4 bytes a pixel
            for scales 1, 2, 4), which also reports unusable files at the start.
        channels: 3 for colour, 1 for grey.
        skip_unusable: leave out files that cannot be used, naming each on standard
            error, instead of stopping at the first; reads every file now.

    Raises:
        InputError: no such folder, no images in it, or an unusable image.
    """

    def __init__(
        self,
        root: str,
        patch_size: int,
        scales: Sequence[int],
        cache: bool = True,
        channels: int = 3,
        skip_unusable: bool = False,
    ):
        folder = Path(root)
        if not folder.is_dir():
            raise InputError(
                f"data folder {str(root)!r} does not exist or is not a folder; set"
                " --config.data.train (and .val, .degraded) to folders of images"
            )
        self.files = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and path.is_file()
        )
        if not self.files:
            raise InputError(
                f"data folder {str(root)!r} holds no images; expected files ending in"
                f" {', '.join(SUFFIXES)}"
            )
        self.root, self.patch_size, self.scales = folder, patch_size, tuple(scales)
        self.channels = channels
        self._cache: list[Pyramid] | None = None
        if skip_unusable:
            self._leave_out_unusable()
        if cache:
            with ThreadPoolExecutor(2) as pool:
                self._cache = list(pool.map(self._read, range(len(self.files))))

    def _leave_out_unusable(self) -> None:
        usable = []
        for index, path in enumerate(self.files):
            try:
                self._read(index)
                usable.append(path)
            except InputError as error:
                print(f"left out: {error}", file=sys.stderr)
        if not usable:
            raise InputError(
                f"data folder {str(self.root)!r}: none of its {len(self.files)} images"
                " can be used, see above; expected images larger than a patch"
            )
        self.files = usable

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Pyramid:
        return self._read(index) if self._cache is None else self._cache[index]

    def _read(self, index: int) -> Pyramid:
        path = self.files[index]
        try:
            with Image.open(path) as image:
                pixels = decode(image, self.channels, str(path))
        except InputError:
            raise
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
            raise InputError(
                f"image {path} cannot be read ({' '.join(str(e).split())}); repair it"
                " or remove it from the folder"
            ) from e
        return make_pyramid(pixels, self.scales, self.patch_size, str(path))

    def content_hash(self) -> str:
        """Short hash of relative paths and contents; reads every file once."""
        digest = hashlib.sha256()
        with ThreadPoolExecutor(2) as pool:
            for path, content in zip(
                self.files, pool.map(_digest, self.files), strict=True
            ):
                digest.update(path.relative_to(self.root).as_posix().encode() + content)
        return digest.hexdigest()[:16]


class TfdsImages:
    """The "image" feature of a TensorFlow Datasets split, read without TensorFlow.

    Args:
        name: "dataset:split", e.g. "div2k/hr:train".
        patch_size: side of the patches to be cut, in pixels.
        scales: reduction factors, increasing.
        data_dir: where the prepared sets lie; "" for the TFDS default.
        channels: 3 for colour, 1 for grey.

    Raises:
        InputError: malformed name, unknown set or split, no "image" feature.
    """

    def __init__(
        self,
        name: str,
        patch_size: int,
        scales: Sequence[int],
        data_dir: str = "",
        channels: int = 3,
    ):
        import tensorflow_datasets as tfds

        dataset, _, split = name.partition(":")
        if not dataset or not split:
            raise InputError(
                f"TFDS source {name!r} must read 'dataset:split', e.g. 'cifar10:train'"
            )
        try:
            self.examples: Any = tfds.data_source(
                dataset, split=split, data_dir=data_dir or None
            )
        except Exception as e:  # TFDS raises many kinds for a wrong name or split
            raise InputError(
                f"TFDS source {name!r} cannot be opened: {' '.join(str(e).split())}"
            ) from e
        self.name, self.patch_size, self.scales = name, patch_size, tuple(scales)
        self.channels = channels

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
        image = decode(image, self.channels, name)
        return make_pyramid(image, self.scales, self.patch_size, name)

    def content_hash(self) -> str:
        """Name, split, length, and a short hash of examples all over the set."""
        digest, count = hashlib.sha256(), len(self)
        for index in np.linspace(0, count - 1, min(count, 64)).astype(int):
            digest.update(np.asarray(self.examples[int(index)]["image"]).tobytes())
        return f"{self.name} x{count} {digest.hexdigest()[:16]}"


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


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


def contents(data: DataConfig, sources) -> dict[str, str]:
    """Content hashes of training sources by their name in the `data` section."""
    hashes = {"train": sources["image"].content_hash(), "degraded": data.degraded}
    if data.degraded not in ("", SAME):
        hashes["degraded"] = sources["degraded"].content_hash()
    return hashes


def open_source(data: DataConfig, split: str) -> ImageFolder | TfdsImages:
    """Open one source that the `data` section of a training config names.

    Args:
        data: the `data` section of the config.
        split: its field, "train", "val", "degraded" or "degraded_val".
    """
    size, scales, channels = data.patch_size, data.scales, data.channels
    if data.kind == "tfds":
        return TfdsImages(getattr(data, split), size, scales, data.tfds_dir, channels)
    skip = data.unreadable == "skip"
    root = getattr(data, split)
    return ImageFolder(root, size, scales, data.cache, channels, skip)
