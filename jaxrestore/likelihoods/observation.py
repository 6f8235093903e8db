"""The measurement y with what is known of how it came about."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.likelihoods.jpeg_steps import jpeg_prox
from jaxrestore.likelihoods.noise import GaussianNoise, NoiseModel
from jaxrestore.likelihoods.quantised import QuantisedNoise
from jaxrestore.operators.base import LinearOperator, Operator
from jaxrestore.operators.linear_solve import conjugate_gradient
from jaxrestore.operators.pointwise import Mask
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True, eq=False)
class Observation:
    """A measurement y of A x, with noise.

    The constructor checks nothing, since JAX calls it under tracing; `create` is the
    one for data that came from outside, `simulate` makes a measurement up.

    Attributes:
      y: measurement, usually (H, W, C) float32. Unobserved pixels of a `Mask` may hold
        anything, even NaN.
      operator: A.
      noise: the noise model, such as `GaussianNoise(8 / 255)`.
    """

    y: jax.Array
    operator: Operator
    noise: NoiseModel

    @classmethod
    def create(cls, y, operator: Operator, noise: Any) -> "Observation":
        """Checks values and shapes, converts to float32. Not for traced code.

        Args:
          y: floats in [0, 1].
          operator: A.
          noise: a noise model, or the standard deviation of Gaussian noise, a number
            or one for each value of y.

        Raises:
          InputError: a noise level that is not in (0, 1], integer or non-finite y, an
            operator with unusable values or of another size.
        """
        y = _measurement(y)
        noise = noise if isinstance(noise, NoiseModel) else GaussianNoise(noise)
        noise = noise.validate(y.shape)
        operator.validate()
        _check_shapes(y, operator)
        if not np.isfinite(operator.clean(y)).all():
            raise InputError(
                "y holds NaN or infinite values at observed pixels; expected finite "
                "values; repair y or mask these pixels"
            )
        return cls(y, operator, noise)

    @classmethod
    def simulate(
        cls, key: jax.Array, clean: jax.Array, operator: Operator, noise: NoiseModel
    ) -> "Observation":
        """Degrade a clean image (H, W, C): y drawn from p(y | A x). Traceable."""
        return cls(noise.draw(key, operator(clean)), operator, noise)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape (H, W, C) of the images x."""
        return self.operator.input_shape(self.y.shape)

    @property
    def count(self) -> jax.Array:
        """How many values were measured."""
        return self.operator.clean(jnp.ones_like(self.y)).sum()

    def residual(self, x: jax.Array) -> jax.Array:
        """A x - y, zero where nothing was observed."""
        return self.operator(x) - self.operator.clean(self.y)

    def neg_log_likelihood(self, x: jax.Array) -> jax.Array:
        """-log p(y | x) up to a constant, a scalar in nats.

        ||A x - y||^2 / (2 sigma^2) for Gaussian noise of one level.
        """
        return self.noise.neg_log_density(self.residual(x))

    def gradient(self, x: jax.Array) -> jax.Array:
        """Gradient of `neg_log_likelihood`, (H, W, C): A'(A x - y) / sigma^2."""
        return self.operator.pullback(x, self.noise.score(self.residual(x)))

    def prox(self, v: jax.Array, step, cg_steps: int | None = None) -> jax.Array:
        """argmin_x ||A x - y||^2 / (2 sigma^2) + sum_i (x_i - v_i)^2 / (2 step_i).

        Args:
          v: (H, W, C).
          step: variance gamma^2 of the quadratic around v, scalar or (H, W, C), > 0.
          cg_steps: None for the exact minimiser; otherwise the number (>= 1) of plain
            conjugate-gradient steps from v on
            (A'A + sigma^2 / step) x = A'y + sigma^2 / step * v. One step is
            x = v + (r'r / r'(A'A + sigma^2 / step) r) r with r = A'(y - A v),
            what the code released with the PnP-HVAE article computes.

        Raises:
          InputError: A is not linear, the noise not Gaussian, or cg_steps < 1.
        """
        if isinstance(self.noise, QuantisedNoise):
            return jpeg_prox(self, v, step)
        operator, y, variance = self._white()
        weight = variance / step
        if cg_steps is None:
            return operator.tikhonov(y, v, weight)
        if cg_steps < 1:
            raise InputError(
                f"cg_steps={cg_steps}; expected >= 1, or None for the exact minimiser"
            )
        change = conjugate_gradient(
            lambda d: operator.adjoint(operator(d)) + weight * d,
            operator.adjoint(operator.clean(y) - operator(v)),
            tolerance=0.0,
            max_steps=cg_steps,
        )
        return v + change

    def sample(self, key: jax.Array, mean: jax.Array, std) -> jax.Array:
        """An exact draw of p(x | z, y) for p(x | z) = N(mean, diag(std^2)).

        Perturb, then solve: the minimiser of the `prox` objective around a draw of
        p(x | z) with noise added to y has the posterior's mean and covariance
        (A'A / sigma^2 + diag(std^-2))^-1.

        Args:
          key: random key.
          mean: (H, W, C).
          std: scalar or (H, W, C), > 0.

        Raises:
          InputError: A is not linear, or the noise not Gaussian.
        """
        operator, y, variance = self._white()
        key_y, key_x = jax.random.split(key)
        noise = jax.random.normal(key_y, y.shape, y.dtype)
        y = operator.clean(y) + jnp.sqrt(variance) * noise
        centre = mean + std * jax.random.normal(key_x, mean.shape, mean.dtype)
        return operator.tikhonov(y, centre, variance / std**2)

    def log_marginal(self, mean: jax.Array, std) -> jax.Array:
        """log p(y | z) for p(x | z) = N(mean, diag(std^2)), up to a constant, in nats.

        log N(y; A mean, sigma^2 I + A diag(std^2) A'). For diagonal A (masks) std may
        be (H, W, C), and log(2 pi) / 2 for each measured value is left out; for other A
        it is a scalar, and the log-determinant, which depends on nothing but std, is
        left out, too.

        Raises:
            InputError: A is not linear, the noise not Gaussian, or std one per pixel
                where A is not diagonal.
        """
        operator, y, variance = self._white()
        residual = operator.clean(y) - operator(mean)
        if operator.diagonal:
            seen = operator.clean(jnp.ones_like(y))
            spread = jnp.broadcast_to(std, mean.shape) ** 2
            spread = variance + operator(spread * operator.adjoint(jnp.ones_like(y)))
            return -0.5 * jnp.sum(seen * (residual**2 / spread + jnp.log(spread)))
        if jnp.ndim(std):
            raise InputError(
                f"decoder_std: one for each pixel, expected one number: a"
                f" {type(operator).__name__} mixes pixels; give --decoder_std a number"
            )
        solved = operator.solve_gram(residual, variance / std**2) / std**2
        return -0.5 * jnp.sum(residual * solved)

    def initial_image(self) -> jax.Array:
        """A starting image (H, W, C) for solvers, made from y alone.

        y itself for operators that keep the size; bicubic upsampling onto x's pixel
        grid for `Downsample`; observed pixels and a smooth fill for `Mask`; y with its
        border pixels repeated for `Crop`.
        """
        return self.operator.initial_image(self.operator.clean(self.y))

    def _white(self) -> tuple[LinearOperator, jax.Array, Any]:
        """A, y and the variance, rows scaled so that it is the same for all values."""
        operator, noise = self.operator, self.noise
        if not isinstance(operator, LinearOperator):
            raise InputError(
                f"operator: a {type(operator).__name__} is not linear, expected a"
                " LinearOperator for an exact data step; take a solver that descends"
                " along gradients"
            )
        if not isinstance(noise, GaussianNoise):
            raise InputError(
                f"noise: a {type(noise).__name__} has no exact data step, expected"
                " GaussianNoise; take a solver that descends along gradients"
            )
        if jnp.ndim(noise.std) == 0:
            return operator, self.y, noise.std**2
        # Relative to the mean level, so that what preconditions A serves this, too.
        scale = jnp.broadcast_to(noise.level / noise.std, self.y.shape)
        whitened: Any = Mask(scale) @ operator
        return whitened, scale * operator.clean(self.y), noise.level**2


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
