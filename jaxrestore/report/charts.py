"""Charts: curves, bars and histograms, as PNG files or as pictures."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxrestore.data.files import atomic_path

ACCENT = "#e8590c"
_BLUE = "#1c5d99"


@contextlib.contextmanager
def chart(
    path: str | os.PathLike, columns: int = 1, title: str = ""
) -> Iterator[list[Axes]]:
    """Yields axes side by side; what the block draws into them is written at its end.

    Args:
        path: PNG file to write.
        columns: how many axes.
        title: above all of them.
    """
    figure = Figure((4.2 * columns + 0.8, 3.6), layout="constrained", dpi=110)
    axes = list(figure.subplots(1, columns, squeeze=False)[0])
    yield axes
    for ax in axes:
        _plain(ax)
    if title:
        figure.suptitle(title, fontsize=10)
    save(figure, path)


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Writes a figure as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def label(ax: Axes, title: str, xlabel: str, ylabel: str) -> None:
    """Names axes."""
    ax.set_title(title, fontsize=10)
    ax.set_xlabel(xlabel, fontsize=9)
    ax.set_ylabel(ylabel, fontsize=9)


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
    names = {
        "residual": "relative change of the image",
        "objective": objective,
        "contraction": "contraction ratio",
    }
    with chart(path, len(names)) as axes:
        for ax, (name, text) in zip(axes, names.items(), strict=True):
            values = np.asarray(history[name], np.float64)
            known = np.isfinite(values)
            steps = np.arange(1, len(values) + 1)[known]
            ax.plot(steps, values[known], color=_BLUE, marker=".", markersize=4)
            label(ax, text, "step", "")
            ax.xaxis.get_major_locator().set_params(integer=True)  # pyright: ignore
        if np.any(np.asarray(history["residual"]) > 0):
            axes[0].set_yscale("log")
        if tolerance > 0:
            axes[0].axhline(tolerance, color=ACCENT, linestyle="--", linewidth=1)
        axes[1].ticklabel_format(
            axis="y", style="sci", scilimits=(-3, 4), useOffset=False
        )
        axes[2].axhline(1, color=ACCENT, linestyle="--", linewidth=1)


def bars(
    path: str | os.PathLike, values: np.ndarray, xlabel: str, ylabel: str, title: str
) -> None:
    """Draws one bar for each value, numbered from 0.

    Args:
        path: PNG file to write.
        values: (n,).
        xlabel, ylabel, title: what they are.
    """
    with chart(path) as (ax,):
        ax.bar(np.arange(len(values)), values, color=_BLUE)
        label(ax, title, xlabel, ylabel)


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
    finite = {name: v[np.isfinite(v)] for name, v in values.items()}
    every = np.concatenate(list(finite.values()) or [np.zeros(0)])
    edges = list(np.histogram_bin_edges(every, bins))

    def draw(ax):
        for name, samples in finite.items():
            if samples.size:
                text = f"{name} (mean {samples.mean():.3g})"
                ax.hist(samples, edges, density=True, histtype="step", label=text)
        label(ax, title, xlabel, "density")

    return _picture(draw)


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

    def draw(ax):
        for name, (x, y) in series.items():
            ax.plot(x, y, label=name, linewidth=1)
        label(ax, title, xlabel, "")

    return _picture(draw)


def _picture(draw: Callable[[Axes], None]) -> np.ndarray:
    """One set of axes as an array (H, W, 3), float32 in [0, 1]."""
    figure = Figure((6.4, 3.6), layout="constrained", dpi=100)
    ax = figure.subplots()
    draw(ax)
    _plain(ax)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(np.float32) / 255


def _plain(ax: Axes) -> None:
    """A faint grid, no frame above and on the right, a legend where there are names."""
    ax.grid(alpha=0.3, linewidth=0.5)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, frameon=False)
