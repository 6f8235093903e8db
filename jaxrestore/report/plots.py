"""Plots as arrays, for the sheets of a training run."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def histograms(
    values: Mapping[str, np.ndarray], xlabel: str, title: str, bins: int = 60
) -> np.ndarray:
    """Outlined histograms over a common range.

    Args:
        values: label -> samples (n,); what is not finite is left out.
        xlabel: what is counted.
        title: above the axes.
        bins: how many, over the range of all samples.

    Returns:
        Picture (H, W, 3) float32 in [0, 1].
    """
    figure, ax = _axes(xlabel, "density", title)
    finite = {label: v[np.isfinite(v)] for label, v in values.items()}
    every = np.concatenate(list(finite.values()) or [np.zeros(0)])
    edges = list(np.histogram_bin_edges(every, bins))
    for label, samples in finite.items():
        if samples.size:
            name = f"{label} (mean {samples.mean():.3g})"
            ax.hist(samples, edges, density=True, histtype="step", label=name)
    ax.legend(fontsize=8, frameon=False)
    return picture(figure)


def curves(
    series: Mapping[str, tuple[np.ndarray, np.ndarray]], xlabel: str, title: str
) -> np.ndarray:
    """Lines in one set of axes.

    Args:
        series: label -> (x, y), each (n,).
        xlabel: of the common axis.
        title: above the axes.

    Returns:
        Picture (H, W, 3) float32 in [0, 1].
    """
    figure, ax = _axes(xlabel, "", title)
    for label, (x, y) in series.items():
        ax.plot(x, y, label=label, linewidth=1)
    ax.legend(fontsize=8, frameon=False)
    return picture(figure)


def picture(figure: Figure) -> np.ndarray:
    """Draw a figure into an array (H, W, 3), float32 in [0, 1]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return pixels.astype(np.float32) / 255


def _axes(xlabel: str, ylabel: str, title: str) -> tuple[Figure, Axes]:
    figure = Figure((6.4, 3.6), layout="constrained", dpi=100)
    ax = figure.subplots()
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(title, fontsize=10)
    plain(ax)
    return figure, ax


def plain(ax: Axes) -> None:
    """A faint grid, and no frame above and on the right."""
    ax.grid(alpha=0.3, linewidth=0.5)
    ax.spines[["top", "right"]].set_visible(False)
