"""Charts of rows, and restored images side by side."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import NullFormatter

from jaxrestore.evaluation.tables import Rows, grouped, mean
from jaxrestore.report import charts
from jaxrestore.report.sheets import sheet

Drawn = tuple[str, dict[str, np.ndarray]]  # a column's head, images by the row's name


class Panel(NamedTuple):
    """Axes with a curve for each value of a column: the mean of y for each x.

    Attributes:
        rows: of numbers.
        x, y, by: the columns.
        title, ylabel, xlabel: what is shown.
        name: of a curve, with {} for its value of `by`.
        style: of the curves, as Matplotlib has it.
        axis: what `Axes.set` takes: scales, limits.
        level: where a dashed line lies, None: nowhere.
        marks: value of `by` -> (x, y, style) of open marks in the curve's colour.
    """

    rows: Rows
    x: str
    y: str
    by: str
    title: str
    ylabel: str
    xlabel: str
    name: str = "{}"
    style: str = "-"
    axis: Mapping[str, Any] = {}
    level: float | None = None
    marks: Mapping[str, Sequence[tuple]] = {}


def curves(path, title: str, *panels: Panel) -> None:
    """Draws panels side by side."""
    with charts.chart(path, len(panels), title) as axes:
        for ax, panel in zip(axes, panels, strict=True):
            for (value,), own in grouped(panel.rows, panel.by).items():
                points = grouped(own, panel.x)
                y = [mean(rows, panel.y) for rows in points.values()]
                look = {"label": panel.name.format(value), "lw": 1, "markersize": 3}
                (line,) = ax.plot([x for (x,) in points], y, panel.style, **look)
                for x, y, mark in panel.marks.get(value, ()):
                    ax.plot(x, y, mark, color=line.get_color(), fillstyle="none")
            if panel.level is not None:
                ax.axhline(panel.level, color="black", linestyle="--", linewidth=0.8)
            ax.set(**panel.axis)
            if "xscale" in panel.axis:  # the numbers between would overlap
                ax.xaxis.set_minor_formatter(NullFormatter())
            charts.label(ax, panel.title, panel.xlabel, panel.ylabel)


def columns(head: str, observations, results, images, count: int) -> list[Drawn]:
    """The first images of a case as `draw` takes them.

    Args:
        head: of the case.
        observations: of its images.
        results: row -> (images, ...).
        images: clean ones by name.
        count: how many.
    """
    drawn = []
    for i, clean in enumerate(list(images.values())[:count]):
        rows = {"observed": _enlarged(observations[i], clean.shape)}
        rows |= {name: np.asarray(found[0][i]) for name, found in results.items()}
        drawn.append((head, rows | {"clean": clean}))
    return drawn


def draw(path, drawn: list[Drawn]) -> None:
    """A column for each case and image, a row for each method; the middle of each."""
    side = min(min(rows["clean"].shape[:2]) for _, rows in drawn)
    names = list(drawn[0][1])
    pictures = [[_middle(rows[name], side) for _, rows in drawn] for name in names]
    labels = [name.replace(" (", "\n(") for name in names]  # long ones are cut off
    sheet(path, pictures, labels, [head for head, _ in drawn], inches=1.3)


def _enlarged(observation, shape: tuple[int, ...]) -> np.ndarray:
    """y, a small one in blocks of pixels, up to `shape`; grey where y is no image."""
    y = np.asarray(observation.operator.clean(observation.y))
    if y.ndim != len(shape):
        return np.full(shape, 0.5, np.float32)
    factor = shape[0] // y.shape[0]
    return np.repeat(np.repeat(y, factor, 0), factor, 1)


def _middle(image: np.ndarray, side: int) -> np.ndarray:
    top, left = ((size - side) // 2 for size in image.shape[:2])
    return image[top : top + side, left : left + side]
