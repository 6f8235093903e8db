"""A few canvases for images of many sizes."""

from collections.abc import Sequence

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
    while len(counts) > most:
        found = sorted(counts)
        pairs = ((a, b) for i, a in enumerate(found) for b in found[i + 1 :])
        first, second = min(pairs, key=lambda pair: _added(counts, *pair))
        number = counts.pop(first) + counts.pop(second)
        larger = _union(first, second)
        counts[larger] = counts.get(larger, 0) + number
    return sorted(counts, key=_area)


def smallest(size: Size, among: Sequence[Size]) -> Size | None:
    """The first canvas, they being sorted, that holds an image; None: no one does."""
    fits = (c for c in among if size[0] <= c[0] and size[1] <= c[1])
    return next(fits, None)


def _added(counts: dict[Size, int], first: Size, second: Size) -> int:
    larger = _area(_union(first, second))
    own = ((counts[size], larger - _area(size)) for size in (first, second))
    return sum(number * more for number, more in own)


def _union(first: Size, second: Size) -> Size:
    return max(first[0], second[0]), max(first[1], second[1])


def _area(size: Size) -> int:
    return size[0] * size[1]
