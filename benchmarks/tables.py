"""Images in, tables out: what the comparisons share beside the methods."""

import csv
import io
from pathlib import Path

import numpy as np

from jaxrestore import InputError
from jaxrestore.data.files import atomic_path
from jaxrestore.data.images import list_images, read_image


def read_images(folder, argument, limit=0, crop=0, channels=3) -> dict[str, np.ndarray]:
    """Images by name, colour or grey.

    limit: this many, 0: all. crop: the central square of that size, 0: all.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{argument}={folder}: no such folder; expected images in it")
    images = {}
    for path in list_images(folder, argument)[: limit or None]:
        pixels = read_image(path, argument).pixels
        if channels == 1:
            pixels = pixels.mean(-1, keepdims=True)
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], channels))
        if crop:
            top, left = ((size - crop) // 2 for size in pixels.shape[:2])
            if min(top, left) < 0:
                raise InputError(f"{argument}={path}: smaller than the crop of {crop}")
            pixels = pixels[top : top + crop, left : left + crop]
        images[path.stem] = np.ascontiguousarray(pixels)
    return images


def markdown(rows, caption, column, columns, methods) -> str:
    """Mean PSNR / SSIM / seconds for every method and every value of `column`."""
    lines = [
        f"{caption}; mean PSNR (dB) / SSIM / seconds an image",
        "",
        "| method | " + " | ".join(f"{column} {value}" for value in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for method in methods:
        cells = []
        for value in columns:
            own = [r for r in rows if (r["method"], r[column]) == (method, value)]
            if own:
                means = [np.mean([r[k] for r in own]) for k in ("psnr", "ssim")]
                seconds = np.mean([r["seconds"] for r in own])
                cells.append(f"{means[0]:.2f} / {means[1]:.3f} / {seconds:.1f}")
        if cells:
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def as_csv(rows) -> str:
    """All rows, with the columns of all of them."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(path: Path, text: str) -> None:
    """Write a file that is complete or not there."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)
