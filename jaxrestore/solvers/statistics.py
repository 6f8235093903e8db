"""Mean, deviation and quantiles of a stream of images, in fixed memory."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.solvers.quantiles import RunningQuantiles


class Statistics(NamedTuple):
    """Of images that came one by one, each value by itself.

    Attributes:
        count: () int32, how many.
        mean: (H, W, C), of what was expected of each.
        centre: (H, W, C), of the images themselves.
        squares: sum of the squared deviations from `centre`.
        quantiles: or None.
    """

    count: jax.Array
    mean: jax.Array
    centre: jax.Array
    squares: jax.Array
    quantiles: RunningQuantiles | None

    @classmethod
    def of(cls, image: jax.Array, levels: tuple[float, ...]) -> "Statistics":
        """Nothing yet, for images like this one."""
        blank = jnp.zeros_like(image)
        follow = RunningQuantiles.of(blank, levels) if levels else None
        return cls(jnp.int32(0), blank, blank, blank, follow)

    def add(
        self, image: jax.Array, expected: jax.Array, counted: jax.Array
    ) -> "Statistics":
        """With one draw and its expectation more, unless they do not count."""
        number = self.count + 1
        mean = self.mean + (expected - self.mean) / number
        change = image - self.centre
        centre = self.centre + change / number
        squares = self.squares + change * (image - centre)
        quantiles = self.quantiles and self.quantiles.add(image)
        more = Statistics(number, mean, centre, squares, quantiles)
        return jax.tree.map(lambda a, b: jnp.where(counted, a, b), more, self)
