"""A few canvases for images of many sizes."""

from collections.abc import Sequence

import numpy as np

from jaxrestore.operators.canvas import fast_fft_size

Size = tuple[int, int]


def canvases(sizes: Sequence[Size], most: int, multiple_of: int = 1) -> list[Size]:
    """At most so many sizes (h, w), one of which holds each image; smallest first.

    Begins with every size by itself, FFT-friendly, and merges the two canvases whose
    merger adds the fewest pixels over all images, until there are few enough.

    Args:
        sizes: (h, w) of every image.
        most: how many canvases, >= 1.
        multiple_of: of heights and widths, such as a prior's stride.
    """
    counts: dict[Size, int] = {}
    for height, width in sizes:
        canvas = (
            fast_fft_size(height, multiple_of),
            fast_fft_size(width, multiple_of),
        )
        counts[canvas] = counts.get(canvas, 0) + 1
    found = np.array(sorted(counts), np.int64).reshape(-1, 2)
    number = np.array([counts[size] for size in sorted(counts)], np.int64)
    return sorted(_merged(found, number, most), key=lambda size: (_area(size), size))


def smallest(size: Size, among: Sequence[Size]) -> Size | None:
    """The first canvas, they being sorted, that holds an image; None: no one does."""
    fits = (c for c in among if size[0] <= c[0] and size[1] <= c[1])
    return next(fits, None)


def _merged(found: np.ndarray, number: np.ndarray, most: int) -> set[Size]:
    """Canvases (n, 2) of so many images each, merged until there are few enough."""
    alone = np.iinfo(np.int64).max  # with itself, or with what is merged already
    rows = [_added(found, number, i) for i in range(len(found))]
    cost = np.array(rows).reshape(len(found), len(found))
    np.fill_diagonal(cost, alone)
    left = np.ones(len(found), bool)
    while left.sum() > most:
        first, second = divmod(int(cost.argmin()), len(found))
        found[first] = np.maximum(found[first], found[second])
        number[first] += number[second]
        left[second] = False
        cost[second] = cost[:, second] = alone
        row = np.where(left, _added(found, number, first), alone)
        row[first] = alone
        cost[first] = cost[:, first] = row
    return {(int(height), int(width)) for height, width in found[left]}


def _added(found: np.ndarray, number: np.ndarray, which: int) -> np.ndarray:
    """(n,) pixels over all images that each merger with one of them adds."""
    larger = np.maximum(found, found[which]).prod(1)
    return number * (larger - found.prod(1)) + number[which] * (
        larger - found[which].prod()
    )


def _area(size: Size) -> int:
    return size[0] * size[1]
