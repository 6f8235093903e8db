"""Sheets of images: rows and columns with labels."""

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxrestore.data.files import atomic_path


def sheet(
    path: str | os.PathLike,
    rows: Sequence[Sequence[np.ndarray]],
    row_labels: Sequence[str],
    column_labels: Sequence[str] = (),
    title: str = "",
    inches: float = 1.2,
) -> None:
    """Draws images of one size in rows, each with its label.

    Args:
        path: PNG file to write.
        rows: images (H, W, 1) or (H, W, 3) in [0, 1]; rows may differ in length.
        row_labels: one for each row, left of it.
        column_labels: above the first row, one for each of its images, or none.
        title: above everything.
        inches: width of one image.
    """
    columns = max(len(row) for row in rows)
    height, width = rows[0][0].shape[:2]
    tall = inches * height / width
    size = (inches * columns + 1.3, tall * len(rows) + 0.3 + 0.35 * bool(title))
    figure = Figure(size, layout="constrained", dpi=120)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)  # pyright: ignore
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row, label in zip(axes, rows, row_labels, strict=True):
        line[0].set_ylabel(label, fontsize=8, rotation=0, ha="right", va="center")
        for ax in line:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        for ax, image in zip(line, row, strict=False):
            pixels = np.broadcast_to(np.clip(image, 0, 1), (height, width, 3))
            ax.imshow(pixels, interpolation="nearest")
    for ax, label in zip(axes[0], column_labels, strict=False):
        ax.set_title(label, fontsize=8)
    if title:
        figure.suptitle(title, fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
