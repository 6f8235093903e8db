"""Restored images side by side."""

import numpy as np

from jaxrestore.report.sheets import sheet

Column = tuple[str, dict[str, np.ndarray]]  # its head, and images by the row's name


def columns(head: str, observations, results, images, count: int) -> list[Column]:
    """The first images of a case as `draw` takes them.

    Args:
        head: of the case.
        observations: of its images.
        results: method -> (images, ...).
        images: clean ones by name.
        count: how many.
    """
    drawn = []
    for i, clean in enumerate(list(images.values())[:count]):
        rows = {"observed": enlarged(observations[i], clean.shape)}
        rows |= {method: np.asarray(r[0][i]) for method, r in results.items()}
        drawn.append((head, rows | {"clean": clean}))
    return drawn


def draw(path, drawn: list[Column]) -> None:
    """A column for each case and image, a row for each method; the middle of each."""
    side = min(min(rows["clean"].shape[:2]) for _, rows in drawn)
    names = list(drawn[0][1])
    pictures = [[_middle(rows[name], side) for _, rows in drawn] for name in names]
    labels = [name.replace(" (", "\n(") for name in names]  # long ones are cut off
    sheet(path, pictures, labels, [head for head, _ in drawn], inches=1.3)


def enlarged(observation, shape: tuple[int, ...]) -> np.ndarray:
    """y, a small one in blocks of pixels, up to `shape`; grey where y is no image."""
    y = np.asarray(observation.operator.clean(observation.y))
    if y.ndim != len(shape):
        return np.full(shape, 0.5, np.float32)
    factor = shape[0] // y.shape[0]
    return np.repeat(np.repeat(y, factor, 0), factor, 1)


def _middle(image: np.ndarray, side: int) -> np.ndarray:
    top, left = ((size - side) // 2 for size in image.shape[:2])
    return image[top : top + side, left : left + side]
