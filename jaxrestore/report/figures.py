"""Pictures of a restoration: before and after, and how the solver got there."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage

from jaxrestore.data.files import atomic_path

_DPI = 100
_ACCENT = "#e8590c"
_BLUE = "#1c5d99"
_PANEL_INCHES = 3.6


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
        dpi=_DPI,
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
        whole.add_patch(_frame(left - 0.5, top - 0.5, side))
        _show(detail, image[top : top + side, left : left + side], "nearest")
        for spine in detail.spines.values():
            spine.set(visible=True, color=_ACCENT, linewidth=1.5)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def convergence(
    path: str | os.PathLike,
    history: Mapping[str, np.ndarray],
    tolerance: float,
    objective: str = "objective $J_1$",
) -> None:
    """Draws relative residual, objective and contraction ratio against the step.

    Args:
        path: PNG file to write.
        history: "residual", "objective" and "contraction", each (steps,), NaN after
            the last step.
        tolerance: The residual at which the solver stops, drawn as a line where it
            is above 0.
        objective: What the objective is called.
    """
    figure = Figure((10.5, 3.1), layout="constrained", dpi=_DPI)
    axes = figure.subplots(1, 3)
    labels = {
        "residual": "relative change of the image",
        "objective": objective,
        "contraction": "contraction ratio",
    }
    for ax, (name, label) in zip(axes, labels.items(), strict=True):
        values = np.asarray(history[name], np.float64)
        steps = np.arange(1, len(values) + 1)
        known = np.isfinite(values)
        ax.plot(steps[known], values[known], color=_BLUE, marker=".", markersize=4)
        ax.set_title(label, fontsize=10)
        ax.set_xlabel("step", fontsize=9)
        ax.tick_params(labelsize=8)
        ax.grid(alpha=0.3, linewidth=0.5)
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.get_major_locator().set_params(integer=True)
    if np.any(np.asarray(history["residual"]) > 0):
        axes[0].set_yscale("log")
    if tolerance > 0:
        axes[0].axhline(tolerance, color=_ACCENT, linestyle="--", linewidth=1)
    axes[1].ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useOffset=False)
    axes[2].axhline(1, color=_ACCENT, linestyle="--", linewidth=1)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def bars(
    path: str | os.PathLike, values: np.ndarray, xlabel: str, ylabel: str, title: str
) -> None:
    """Draws one bar for each value, numbered from 0.

    Args:
        path: PNG file to write.
        values: (n,).
        xlabel, ylabel, title: what they are.
    """
    figure = Figure((7, 3), layout="constrained", dpi=_DPI)
    ax = figure.subplots()
    ax.bar(np.arange(len(values)), values, color=_BLUE)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(title, fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


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


def _frame(left: float, top: float, side: int) -> Rectangle:
    return Rectangle(
        (left, top), side, side, fill=False, edgecolor=_ACCENT, linewidth=1.3
    )


def _show(ax: Axes, image: np.ndarray, interpolation: str) -> None:
    if image.shape[-1] == 1:
        image = np.repeat(image, 3, -1)
    ax.imshow(image, interpolation=interpolation, vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
