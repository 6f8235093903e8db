"""Mean, deviation and quantiles of a stream of images, in fixed memory."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.solvers.quantiles import RunningQuantiles


class Statistics(NamedTuple):
    """Of images that came one by one, each value by itself.

    Attributes:
        count: () int32, how many.
        mean: (H, W, C).
        squares: sum of the squared deviations from it.
        quantiles: or None.
    """

    count: jax.Array
    mean: jax.Array
    squares: jax.Array
    quantiles: RunningQuantiles | None

    @classmethod
    def of(cls, image: jax.Array, levels: tuple[float, ...]) -> "Statistics":
        """Nothing yet, for images like this one."""
        blank = jnp.zeros_like(image)
        follow = RunningQuantiles.of(blank, levels) if levels else None
        return cls(jnp.int32(0), blank, blank, follow)

    def add(self, image: jax.Array, counted: jax.Array) -> "Statistics":
        """With one draw more, unless it does not count."""
        number = self.count + 1
        change = image - self.mean
        mean = self.mean + change / number
        squares = self.squares + change * (image - mean)
        quantiles = self.quantiles and self.quantiles.add(image)
        more = Statistics(number, mean, squares, quantiles)
        return jax.tree.map(lambda a, b: jnp.where(counted, a, b), more, self)
