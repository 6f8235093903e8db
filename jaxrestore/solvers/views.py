"""An image as a network sees it: flipped, and moved on the grid of its blocks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError

Size = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """Flips, then a move by whole pixels on a canvas that is filled by reflection.

    Attributes:
        flips: upside down, left-right.
        moves: pixels down and to the right.
    """

    flips: tuple[bool, bool] = (False, False)
    moves: tuple[int, int] = (0, 0)

    def see(self, image: jax.Array, canvas: Size) -> jax.Array:
        """(h, w, C) of a canvas (h, w) from an image (H, W, C)."""
        rest = [
            (move, side - length - move)
            for move, length, side in zip(self.moves, image.shape, canvas, strict=False)
        ]
        return jnp.pad(self._flipped(image), (*rest, (0, 0)), mode="symmetric")

    def undo(self, seen: jax.Array, shape: Size) -> jax.Array:
        """The image (H, W, C) that a canvas (h, w, C) shows."""
        (down, right), (height, width) = self.moves, shape[:2]
        return self._flipped(seen[down : down + height, right : right + width])

    def places(self, axis: int, length: int, side: int) -> np.ndarray:
        """(side,) which row (axis 0) or column of the image a canvas shows where."""
        own = np.arange(length)[:: -1 if self.flips[axis] else 1]
        move = self.moves[axis]
        return np.pad(own, (move, side - length - move), "symmetric")

    def _flipped(self, image):
        rows, columns = (slice(None, None, -1 if flip else 1) for flip in self.flips)
        return image[rows, columns]


_FLIPS = (False, False), (False, True), (True, False), (True, True)

# In the order of their use, backwards from a run's end, which is as the image is.
VIEWS = {
    "none": (View(),),
    "horizontal": tuple(View(flips) for flips in _FLIPS[:2]),
    "flips": tuple(View(flips) for flips in _FLIPS),
    "shifts": tuple(View((up, back), (int(back), int(up))) for up, back in _FLIPS),
}


def canvas(kind: str, prior: Any, shape: Size) -> Size:
    """(h, w) that the views of a kind need for an image (H, W).

    Those that move take the prior's multiple of the stride above the image's sides;
    devices that share the rows would gather such an image, and are for the others.
    """
    most = max(max(view.moves) for view in VIEWS[kind])
    if not most:
        return shape[:2]
    stride = prior.config.stride
    return tuple(-(-(side + most) // stride) * stride for side in shape[:2])


def check(kind: str, prior: Any) -> None:
    """Refuse moves where the prior takes one size of images alone.

    Raises:
        InputError: it does.
    """
    moves = any(any(view.moves) for view in VIEWS[kind])
    if moves and not hasattr(getattr(prior, "config", None), "stride"):
        raise InputError(
            f"views={kind}: moves the image on a larger canvas, which a"
            f" {type(prior).__name__} does not take; expected none, horizontal or flips"
        )


def see(kind: str, which: Any, image: jax.Array, canvas: Size) -> jax.Array:
    """The view of a kind, by its number, which may be traced."""
    return _switched(kind, which, lambda view: view.see(image, canvas))


def undo(kind: str, which: Any, seen: jax.Array, shape: Size) -> jax.Array:
    """The image of what is on the canvas of that view."""
    return _switched(kind, which, lambda view: view.undo(seen, shape))


def _switched(kind: str, which: Any, shown: Callable[[View], jax.Array]) -> jax.Array:
    views = VIEWS[kind]
    if len(views) == 1:
        return shown(views[0])
    return jax.lax.switch(which, [partial(shown, view) for view in views])
