"""Charts of experiments: a row of labelled axes, written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrestore.data.files import atomic_path
from jaxrestore.report.plots import plain


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
        plain(ax)
        ax.tick_params(labelsize=8)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8, frameon=False)
    if title:
        figure.suptitle(title, fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def label(ax: Axes, title: str, xlabel: str, ylabel: str) -> None:
    """Names axes."""
    ax.set_title(title, fontsize=10)
    ax.set_xlabel(xlabel, fontsize=9)
    ax.set_ylabel(ylabel, fontsize=9)
