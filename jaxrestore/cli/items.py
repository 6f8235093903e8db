"""The images of a run: of a file, a folder, a list; and a shard of them."""

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxrestore.data.images import (
    SUFFIXES,
    LoadedImage,
    image_files,
    list_images,
    read_image,
)
from jaxrestore.data.jpeg import read_jpeg
from jaxrestore.data.large import size_of
from jaxrestore.errors import InputError
from jaxrestore.report.shards import shard_number

SAMPLE = "cat"


@dataclasses.dataclass(frozen=True)
class Item:
    """An image to restore; `path` None is the sample."""

    name: str
    path: Path | None

    def load(self) -> LoadedImage:
        if self.path is None:
            return sample_image()
        return dataclasses.replace(read_image(self.path), jpeg=read_jpeg(self.path))

    def shape(self) -> tuple[int, int, int] | None:
        """(h, w, 3) from the file's header; None where it cannot be read."""
        if self.path is None:
            return 256, 256, 3
        size = size_of(self.path)
        return (*size, 3) if size else None

    def sha256(self) -> str:
        if self.path is None:
            return "sample"
        try:
            with open(self.path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(
                f"--input={self.path}: cannot be read ({error.strerror}), expected an"
                " image file"
            ) from error


def items(
    path: str | None, recursive: bool = False, output: str | Path | None = None
) -> list[Item]:
    """The images of a file, folder or list, with names that are theirs alone.

    Args:
        path: an image; a folder; a text file (.txt) with a path on each line, relative
            to the list; None: the sample.
        recursive: the folders inside a folder, too, but hidden ones; names are then
            paths.
        output: the folder for results, which is not searched.

    Raises:
        InputError: there is none, the list cannot be read, or images and results are
            to share a folder that is searched.
    """
    if path is None:
        return [Item(SAMPLE, None)]
    root = Path(path)
    if root.suffix.lower() == ".txt" and not root.is_dir():
        return _named(*_listed(root))
    if not root.is_dir():
        return [Item(root.stem, root)]
    if not recursive:
        return _named(list_images(path), root)
    files = _searched(root, output)
    if not files:
        raise InputError(
            f"--input={path}: no image in this folder or those inside it, expected"
            f" files ending in {', '.join(SUFFIXES)}"
        )
    return _named(files, root)


def _searched(root: Path, output: str | Path | None) -> list[Path]:
    """The images of a folder and of those inside it, without hidden ones and results.

    Raises:
        InputError: results are to go into the very folder.
    """
    files = [
        file
        for file in image_files(root, "**/*")
        if not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    if output is None:
        return files
    results, searched = Path(output).resolve(), root.resolve()
    if results == searched:
        raise InputError(
            f"--output={output}: is the folder of the images, where --recursive would"
            " take results for images; choose another, inside it or not"
        )
    if not results.is_relative_to(searched):
        return files
    return [file for file in files if not file.resolve().is_relative_to(results)]


def _listed(path: Path) -> tuple[list[Path], Path]:
    """The files of a list, and the folder that it lies in."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--input={path}: cannot be read as a list ({error}), expected a text file"
            " with the path of an image on each line"
        ) from error
    files = [Path(os.path.abspath(path.parent / line)) for line in lines if line]
    files = list(dict.fromkeys(files))
    if not files:
        raise InputError(
            f"--input={path}: the list is empty, expected the path of an image on each"
            " line"
        )
    return files, Path(os.path.abspath(path.parent))


def _named(files: Sequence[Path], root: Path) -> list[Item]:
    """Items called by their path in `root`, without suffix where that is enough.

    Those that lie elsewhere are called by their whole path.

    Raises:
        InputError: two would be called alike.
    """
    paths = [
        file.relative_to(root if file.is_relative_to(root) else file.anchor)
        for file in files
    ]
    if len(set(paths)) < len(paths):
        (twice, _), *_ = Counter(paths).most_common()
        raise InputError(
            f"--input: two images of the list would both be called {twice}, one in its"
            " folder and one elsewhere; give each a list of its own"
        )
    short = [path.with_suffix("").as_posix() for path in paths]
    counts = Counter(short)
    return [
        Item(name if counts[name] == 1 else path.as_posix(), file)
        for name, path, file in zip(short, paths, files, strict=True)
    ]


def shard_of(value: str | None) -> tuple[int, int] | None:
    """(number from 0, how many) of "1/4", or of "slurm" the array job's own.

    Raises:
        InputError: it is neither, or no array job.
    """
    if value is None:
        return None
    if value == "slurm":
        names = ("ID", "MIN", "STEP", "COUNT")
        found = [os.environ.get(f"SLURM_ARRAY_TASK_{name}", "") for name in names]
        if not all(text.isdecimal() for text in found):
            raise InputError(
                "--shard=slurm: SLURM_ARRAY_TASK_ID and its like are not set, expected"
                " an array job; give --shard=0/4"
            )
        own, first, step, count = map(int, found)
        index = (own - first) // max(step, 1)
    else:
        number, _, total = value.partition("/")
        both = number.isdecimal() and total.isdecimal()
        index, count = (int(number), int(total)) if both else (0, 0)
    if not 0 <= index < count:
        raise InputError(
            f"--shard={value}: expected a number below a count, such as 0/4 to 3/4, or"
            " slurm in an array job without gaps"
        )
    return index, count


def part(images: Sequence[Item], shard: tuple[int, int] | None) -> list[Item]:
    """The images of a shard: by a hash of the name, the same everywhere, always."""
    if shard is None:
        return list(images)
    index, count = shard
    return [item for item in images if shard_number(item.name, count) == index]


def sample_image() -> LoadedImage:
    """A 256x256 photograph of a cat, which scikit-image ships (public domain)."""
    from skimage import data

    pixels = np.asarray(data.chelsea()[20:276, 90:346], np.float32) / 255
    return LoadedImage(pixels)
