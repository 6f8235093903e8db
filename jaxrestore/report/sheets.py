"""Sheets of images: rows and columns with labels, and before and after."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage

from jaxrestore.report.charts import ACCENT, save

_PANEL_INCHES = 3.6


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
            _bare(ax)
        for ax, image in zip(line, row, strict=False):
            _show(ax, np.clip(image, 0, 1), "nearest")
    for ax, label in zip(axes[0], column_labels, strict=False):
        ax.set_title(label, fontsize=8)
    if title:
        figure.suptitle(title, fontsize=9)
    save(figure, path)


@dataclasses.dataclass(frozen=True)
class Panel:
    """One image of a comparison.

    Attributes:
        title: First line above it.
        image: (h, w, 1) or (h, w, 3) in [0, 1]; enlarged to the others' size.
        note: Second line, such as its scores; "" for none.
    """

    title: str
    image: np.ndarray
    note: str = ""


def comparison(path: str | os.PathLike, panels: Sequence[Panel]) -> None:
    """Draws images side by side and, below, the same detail of each.

    The detail is the part of the last panel with the strongest edges; it is framed
    in every image and enlarged without smoothing.

    Args:
        path: PNG file to write.
        panels: Observed, restored and, where known, clean; the last one fixes the
            size, smaller ones are enlarged by repeating pixels.
    """
    height, width = panels[-1].image.shape[:2]
    images = [_enlarged(panel.image, height, width) for panel in panels]
    top, left, side = _detail(images[-1])
    image_inches = _PANEL_INCHES * height / width
    figure = Figure(
        (_PANEL_INCHES * len(panels), image_inches + _PANEL_INCHES + 0.55),
        layout="constrained",
        dpi=100,
    )
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)  # pyright: ignore
    notes = any(panel.note for panel in panels)
    axes = figure.subplots(
        2, len(panels), height_ratios=(image_inches, _PANEL_INCHES), squeeze=False
    )
    for column, (panel, image) in enumerate(zip(panels, images, strict=True)):
        whole, detail = axes[:, column]
        _show(whole, image, "antialiased")
        whole.set_title(
            f"{panel.title}\n{panel.note}" if notes else panel.title, fontsize=11
        )
        corner = (left - 0.5, top - 0.5)
        style: Any = {"fill": False, "edgecolor": ACCENT, "linewidth": 1.3}
        whole.add_patch(Rectangle(corner, side, side, **style))
        _show(detail, image[top : top + side, left : left + side], "nearest")
        for spine in detail.spines.values():
            spine.set(visible=True, color=ACCENT, linewidth=1.5)
    save(figure, path)


def _enlarged(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest-neighbour resize; each small pixel becomes a block."""
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    return np.clip(image[rows][:, columns], 0, 1)


def _detail(image: np.ndarray) -> tuple[int, int, int]:
    """Top, left and side of the square with the strongest edges, off the border."""
    height, width = image.shape[:2]
    side = max(8, round(0.28 * (height * width) ** 0.5))
    side = min(side, height, width)
    grey = image.mean(-1)
    edges = ndimage.gaussian_gradient_magnitude(grey, 1.5)
    # Square root: many moderate edges make a better detail than one hard line.
    strength = ndimage.uniform_filter(np.sqrt(edges), side, mode="constant")
    margin = side // 2 + min(side // 4, (min(height, width) - side) // 2)
    inner = strength[margin : height - margin, margin : width - margin]
    if inner.size == 0:
        return (height - side) // 2, (width - side) // 2, side
    row, column = np.unravel_index(np.argmax(inner), inner.shape)
    return int(row) + margin - side // 2, int(column) + margin - side // 2, side


def _show(ax: Axes, image: np.ndarray, interpolation: str) -> None:
    pixels = np.broadcast_to(image, (*image.shape[:2], 3))
    ax.imshow(pixels, interpolation=interpolation)
    _bare(ax)


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
