"""Everything that reads the measurement y."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.operators.base import Operator
from jaxrestore.operators.linear_solve import conjugate_gradient


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Observation:
    """A measurement y = A x + noise_std * standard normal noise.

    The constructor checks nothing, since JAX calls it under tracing; `create` is the
    one for data that came from outside.

    Attributes:
      y: measurement, usually (H, W, C) float32. Unobserved pixels of a `Mask` may hold
        anything, even NaN.
      operator: A.
      noise_std: noise level in [0, 1] units, scalar, > 0.
    """

    y: jax.Array
    operator: Operator
    noise_std: jax.Array | float

    @classmethod
    def create(cls, y, operator: Operator, noise_std: float) -> "Observation":
        """Checks values and shapes, converts to float32. Not for traced code.

        Raises:
          InputError: a noise level that is not in (0, 1], integer or non-finite y, an
            operator with unusable values or of another size.
        """
        level = _noise_level(noise_std)
        y = _measurement(y)
        operator.validate()
        _check_shapes(y, operator)
        if not np.isfinite(operator.clean(y)).all():
            raise InputError(
                "y holds NaN or infinite values at observed pixels; expected finite "
                "values; repair y or mask these pixels"
            )
        return cls(y, operator, jnp.asarray(level, jnp.float32))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape (H, W, C) of the images x."""
        return self.operator.input_shape(self.y.shape)

    def residual(self, x: jax.Array) -> jax.Array:
        """A x - y, zero where nothing was observed."""
        return self.operator(x) - self.operator.clean(self.y)

    def neg_log_likelihood(self, x: jax.Array) -> jax.Array:
        """||A x - y||^2 / (2 noise_std^2), a scalar in nats.

        The constant m log(noise_std sqrt(2 pi)) of m observed values is dropped.
        """
        return jnp.sum(jnp.square(self.residual(x))) / (2 * self.noise_std**2)

    def gradient(self, x: jax.Array) -> jax.Array:
        """Gradient of `neg_log_likelihood`: A'(A x - y) / noise_std^2, (H, W, C)."""
        return self.operator.adjoint(self.residual(x)) / self.noise_std**2

    def prox(self, v: jax.Array, step, cg_steps: int | None = None) -> jax.Array:
        """argmin_x ||A x - y||^2 / (2 noise_std^2) + sum_i (x_i - v_i)^2 / (2 step_i).

        Args:
          v: (H, W, C).
          step: variance gamma^2 of the quadratic around v, scalar or (H, W, C), > 0.
          cg_steps: None for the exact minimiser; otherwise the number (>= 1) of plain
            conjugate-gradient steps from v on
            (A'A + noise_std^2 / step) x = A'y + noise_std^2 / step * v. One step is
            x = v + (r'r / r'(A'A + noise_std^2 / step) r) r with r = A'(y - A v),
            what the code released with the PnP-HVAE article computes.
        """
        weight = self.noise_std**2 / step
        if cg_steps is None:
            return self.operator.tikhonov(self.y, v, weight)
        if cg_steps < 1:
            raise InputError(
                f"cg_steps={cg_steps}; expected >= 1, or None for the exact minimiser"
            )
        operator = self.operator
        change = conjugate_gradient(
            lambda d: operator.adjoint(operator(d)) + weight * d,
            -operator.adjoint(self.residual(v)),
            tolerance=0.0,
            max_steps=cg_steps,
        )
        return v + change

    def sample(self, key: jax.Array, mean: jax.Array, std) -> jax.Array:
        """An exact draw of p(x | z, y) for p(x | z) = N(mean, diag(std^2)).

        Perturb, then solve: the minimiser of the `prox` objective around a draw of
        p(x | z) with noise added to y has the posterior's mean and covariance
        (A'A / noise_std^2 + diag(std^-2))^-1.

        Args:
          key: random key.
          mean: (H, W, C).
          std: scalar or (H, W, C), > 0.
        """
        key_y, key_x = jax.random.split(key)
        noise = jax.random.normal(key_y, self.y.shape, self.y.dtype)
        y = self.operator.clean(self.y) + self.noise_std * noise
        centre = mean + std * jax.random.normal(key_x, mean.shape, mean.dtype)
        return self.operator.tikhonov(y, centre, self.noise_std**2 / std**2)

    def initial_image(self) -> jax.Array:
        """A starting image (H, W, C) for solvers, made from y alone.

        y itself for operators that keep the size; bicubic upsampling onto x's pixel
        grid for `Downsample`; observed pixels and a smooth fill for `Mask`; y with its
        border pixels repeated for `Crop`.
        """
        return self.operator.initial_image(self.operator.clean(self.y))


def _noise_level(noise_std) -> float:
    try:
        level = float(noise_std)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"noise_std={noise_std!r}; expected one number in (0, 1]"
        ) from error
    if level == 0:
        raise InputError(
            "noise_std=0; expected > 0; rounding to 8 bits alone makes 0.0011, use that"
        )
    if not (math.isfinite(level) and 0 < level <= 1):
        raise InputError(
            f"noise_std={level:g}; expected in (0, 1], relative to a range of [0, 1]; "
            "divide levels on the 0-255 scale by 255"
        )
    return level


def _measurement(y) -> jax.Array:
    dtype = np.asarray(y).dtype
    if not jnp.issubdtype(dtype, jnp.floating):
        raise InputError(
            f"y has dtype {dtype}; expected floats in [0, 1]; divide 8-bit values "
            "by 255"
        )
    return jnp.asarray(y, jnp.float32)


def _check_shapes(y: jax.Array, operator: Operator) -> None:
    name = type(operator).__name__
    try:
        image_shape = operator.input_shape(y.shape)
    except ValueError as error:
        raise InputError(
            f"y has shape {y.shape}, which {name} cannot have measured; expected "
            "(H, W, C); add a channel axis to grey images"
        ) from error
    image = jax.ShapeDtypeStruct(image_shape, y.dtype)
    if len(image_shape) != 3:
        raise InputError(
            f"y has shape {y.shape}; expected (H, W, C); add a channel axis to grey "
            "images"
        )
    measured = jax.eval_shape(operator, image).shape
    if measured != y.shape:
        raise InputError(
            f"y has shape {y.shape}, but {name} measures {measured}; expected equal "
            "shapes; check y and the operator's sizes"
        )
