"""Noise models: what happens to a measurement after the operator."""

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.pytrees import pytree


@runtime_checkable
class NoiseModel(Protocol):
    """The density p(y | A x) of a measurement around the noise-free one; a pytree."""

    @property
    def level(self) -> Any:
        """A typical standard deviation, a scalar in [0, 1] units."""
        ...

    def neg_log_density(self, residual: jax.Array) -> jax.Array:
        """-log p(y | A x) up to a constant, in nats, of A x - y."""
        ...

    def score(self, residual: jax.Array) -> jax.Array:
        """Gradient of `neg_log_density` with respect to A x."""
        ...

    def draw(self, key: jax.Array, mean: jax.Array) -> jax.Array:
        """A noisy measurement around a noise-free one."""
        ...

    def validate(self, shape: tuple[int, ...]) -> "NoiseModel":
        """The same, checked for measurements of a shape. Not for traced code."""
        ...


@pytree
@dataclass(frozen=True, eq=False)
class GaussianNoise:
    """White Gaussian noise: y = A x + std * standard normal.

    Attributes:
      std: in [0, 1] units, > 0: a scalar, or an array that broadcasts to y, one
        level per measured value.
    """

    std: Any

    @property
    def level(self):
        """Root mean square of `std`."""
        if jnp.ndim(self.std) == 0:
            return self.std
        return jnp.sqrt(jnp.mean(jnp.square(self.std)))

    def neg_log_density(self, residual):
        """sum(residual^2 / (2 std^2)); sum(log(std sqrt(2 pi))) is dropped."""
        if jnp.ndim(self.std) == 0:
            return jnp.sum(jnp.square(residual)) / (2 * self.std**2)
        return jnp.sum(jnp.square(residual / self.std)) / 2

    def score(self, residual):
        return residual / self.std**2

    def draw(self, key, mean):
        return mean + self.std * jax.random.normal(key, mean.shape, mean.dtype)

    def validate(self, shape):
        std = np.asarray(self.std)
        if std.dtype.kind not in "buif" or std.size == 0:
            raise _bad(self.std)
        if (std == 0).any():
            raise InputError(
                "noise_std=0; expected > 0; rounding to 8 bits alone makes 0.0011, use"
                " that"
            )
        if not (np.isfinite(std).all() and (std > 0).all() and (std <= 1).all()):
            raise _bad(self.std)
        check_fits("noise_std", std, shape)
        return GaussianNoise(jnp.asarray(std, jnp.float32))


def check_fits(name: str, level: np.ndarray, shape: tuple[int, ...]) -> None:
    """Refuse a level that does not broadcast to measurements of a shape.

    Raises:
        InputError: it does not.
    """
    try:
        fits = np.broadcast_shapes(level.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise InputError(
            f"{name} has shape {level.shape}; expected one number, or one for each"
            f" value of y, {tuple(shape)}"
        )


def _bad(std: Any) -> InputError:
    shown = f"{std:g}" if isinstance(std, float) and math.isfinite(std) else repr(std)
    return InputError(
        f"noise_std={shown}; expected in (0, 1], relative to a range of [0, 1]; divide"
        " levels on the 0-255 scale by 255"
    )
