"""Quantiles of a stream of images, each value by itself, in fixed memory."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class RunningQuantiles(NamedTuple):
    """The extended P-square algorithm (Jain and Chlamtac 1985; Raatikainen 1987).

    Q quantiles are followed by M = 2 Q + 3 markers: estimates, for each value of the
    image, of the quantiles at 0, 1, the levels and the middles between them. An
    observation shifts the ranks of the markers above it, and a marker whose rank is
    off by one moves along a parabola through its neighbours. Until M images came the
    markers are these images, sorted, and the quantiles exact.

    Attributes:
        levels: (M,) of the markers.
        heights: (M, ...) estimates.
        ranks: (M, ...) of the markers among what came.
        count: () how many images came.
    """

    levels: jax.Array
    heights: jax.Array
    ranks: jax.Array
    count: jax.Array

    @classmethod
    def of(cls, image: jax.Array, levels: tuple[float, ...]) -> "RunningQuantiles":
        """Nothing yet, for images like this one and increasing levels in (0, 1)."""
        ends = [0.0, *levels, 1.0]
        between = [(a + b) / 2 for a, b in zip(ends, ends[1:], strict=False)]
        markers = jnp.asarray(sorted([*ends, *between]), image.dtype)
        shape = (len(markers), *image.shape)
        ranks = jnp.arange(1, len(markers) + 1, dtype=image.dtype)
        spread = jnp.broadcast_to(_column(ranks, image), shape)
        return cls(markers, jnp.full(shape, jnp.inf, image.dtype), spread, jnp.int32(0))

    def add(self, image: jax.Array) -> "RunningQuantiles":
        """With one image more."""
        full = self.count >= len(self.levels)
        heights, ranks = lax.cond(full, _moved, _collected, self, image)
        return self._replace(heights=heights, ranks=ranks, count=self.count + 1)

    def values(self) -> jax.Array:
        """(Q, ...) the quantiles of what came; NaN of nothing."""
        levels = self.levels[2:-2:2]
        at = levels * jnp.maximum(self.count - 1, 0)
        low = jnp.minimum(at.astype(jnp.int32), jnp.maximum(self.count - 2, 0))
        share = _column(at - low, self.heights[0])
        last = jnp.maximum(self.count - 1, 0)
        below, above = self.heights[low], self.heights[jnp.minimum(low + 1, last)]
        few = jnp.where(share > 0, below + share * (above - below), below)
        exact = jnp.where(self.count > 0, few, jnp.nan)
        return jnp.where(self.count <= len(self.levels), exact, self.heights[2:-2:2])


def _collected(markers: RunningQuantiles, image: jax.Array) -> tuple:
    """Heights and ranks with an image in its place, where some are infinite still."""
    heights = markers.heights
    below = jnp.concatenate([jnp.full_like(heights[:1], -jnp.inf), heights[:-1]])
    return jnp.minimum(heights, jnp.maximum(below, image)), markers.ranks


def _moved(markers: RunningQuantiles, image: jax.Array) -> tuple:
    """Heights and ranks after an image, where the markers were full before.

    A scan from marker to marker, each of which needs the one below as it is now:
    unrolled, the compiler computes all that lie below again for each, ten times as
    much.
    """
    last = len(markers.levels) - 1
    lifted = (image < markers.heights).at[0].set(False).at[last].set(True)
    heights = markers.heights.at[0].min(image).at[last].max(image)
    ranks = markers.ranks + lifted
    wanted = 1 + markers.count * markers.levels

    def adjusted(below, here):
        (low, left), (middle, own, high, right, wish) = below, here
        gap = wish - own
        up = (gap >= 1) & (right - own > 1)
        down = (gap <= -1) & (left - own < -1)
        step = up.astype(image.dtype) - down.astype(image.dtype)
        around = (low, middle, high), (left, own, right)
        found = _parabola(*around, step), own + step
        return found, found

    inner = heights[1:-1], ranks[1:-1], heights[2:], ranks[2:], wanted[1:-1]
    _, found = lax.scan(adjusted, (heights[0], ranks[0]), inner)
    return tuple(
        jnp.concatenate([whole[:1], part, whole[-1:]])
        for whole, part in zip((heights, ranks), found, strict=True)
    )


def _parabola(heights, ranks, step: jax.Array) -> jax.Array:
    """The middle marker moved by a step of -1, 0 or 1 ranks."""
    (low, middle, high), (left, own, right) = heights, ranks
    rise, fall = (high - middle) / (right - own), (middle - low) / (own - left)
    curved = (own - left + step) * rise + (right - own - step) * fall
    curved = middle + step / (right - left) * curved
    straight = middle + step * jnp.where(step > 0, rise, fall)
    moved = jnp.where((low < curved) & (curved < high), curved, straight)
    return jnp.where(step == 0, middle, moved)


def _column(values: jax.Array, image: jax.Array) -> jax.Array:
    return values.reshape(-1, *[1] * image.ndim)
