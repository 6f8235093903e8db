"""Certifies that an operator obeys the laws that solvers rely on."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.operators.base import LinearOperator, Shape


@dataclass(frozen=True)
class OperatorReport:
    """Relative errors that `check_operator` measured.

    Attributes:
      linearity: of A(a u + b v) against a A u + b A v.
      inner_product: |<A x, y> - <x, A'y>| / (||A x|| ||y||).
      transpose: of A'y against the transpose that JAX derives from A; None where A
        uses something that JAX cannot transpose.
      solve: residual of (A'A + w) solve_normal(r, w) = r, the worse of a scalar and
        a per-pixel weight.
      tikhonov: residual of the optimality condition A'(A x - y) + w (x - c) = 0.
    """

    linearity: float
    inner_product: float
    transpose: float | None
    solve: float
    tikhonov: float


def check_operator(
    operator: LinearOperator,
    image_shape: Shape,
    key: jax.Array,
    *,
    tolerance: float = 1e-5,
    solve_tolerance: float = 1e-4,
) -> OperatorReport:
    """Tests linearity, the adjoint and the solves on random images.

    Args:
      operator: A.
      image_shape: (H, W, C) of the images to test with; small ones are quicker.
      key: random key.
      tolerance: largest relative error of linearity and adjoint (float32).
      solve_tolerance: largest relative residual of the solves.

    Returns:
      The errors found.

    Raises:
      InputError: a law is violated, or A maps a random image to zero so that nothing
        could be tested; the message names the law and the error.
    """
    keys = jax.random.split(key, 5)
    u, v, centre = (jax.random.normal(k, image_shape) for k in keys[:3])
    measurement = operator(u)
    if not _norm(measurement) > 0:
        raise InputError(
            f"{type(operator).__name__} maps a random image of shape "
            f"{tuple(image_shape)} to zero or NaN; expected a usable measurement; "
            "check __call__"
        )
    implied = operator.input_shape(measurement.shape)
    _require_shape("input_shape", implied, image_shape)
    y = jax.random.normal(keys[3], measurement.shape)
    linearity = _error(operator(2.5 * u - v), 2.5 * measurement - operator(v))
    # First, because the other tests mean nothing without it.
    _require("is not linear", linearity, tolerance, "__call__")
    _require_shape("adjoint", operator.adjoint(y).shape, image_shape)

    inner_product, transpose = _adjoint_errors(operator, u, y)
    law = "has an adjoint with <Ax, y> != <x, A'y>"
    _require(law, inner_product, tolerance, "adjoint")
    law = "has an adjoint that is not its transpose"
    _require(law, transpose or 0.0, tolerance, "adjoint")

    per_pixel = jax.random.uniform(keys[4], image_shape, minval=0.1, maxval=1.0)
    solve, tikhonov = _solve_errors(operator, v, y, centre, (0.1, per_pixel))
    law = "does not solve (A'A + w) x = r"
    _require(law, solve, solve_tolerance, "solve_normal")
    law = "does not minimise ||Ax - y||^2 + w ||x - c||^2"
    _require(law, tikhonov, solve_tolerance, "tikhonov or solve_gram")
    return OperatorReport(linearity, inner_product, transpose, solve, tikhonov)


def _require_shape(method: str, shape: Shape, expected: Shape) -> None:
    if tuple(shape) != tuple(expected):
        raise InputError(
            f"{method} of the operator gives shape {tuple(shape)} for the measurement "
            f"of an image of {tuple(expected)}; expected the image's; correct {method}"
        )


def _require(law: str, error: float, limit: float, method: str) -> None:
    # Written so that NaN fails.
    if not error <= limit:
        raise InputError(
            f"the operator {law}: relative error {error:.1e}; expected at most "
            f"{limit:.0e}; check {method}"
        )


def _adjoint_errors(operator, x, y) -> tuple[float, float | None]:
    measurement, adjoint = operator(x), operator.adjoint(y)
    gap = float(jnp.abs(jnp.vdot(measurement, y) - jnp.vdot(x, adjoint)))
    gap /= _norm(measurement) * _norm(y)
    try:
        (transpose,) = jax.linear_transpose(operator, x)(y)
    except (NotImplementedError, TypeError, ValueError, AssertionError):
        return gap, None
    return gap, _error(adjoint, transpose)


def _solve_errors(operator, rhs, y, centre, weights) -> tuple[float, float]:
    @jax.jit
    def solutions(weight):
        x = operator.solve_normal(rhs, weight)
        normal = operator.adjoint(operator(x)) + weight * x
        z = operator.tikhonov(y, centre, weight)
        gradient = operator.adjoint(operator(z) - operator.clean(y))
        return normal, gradient, weight * (centre - z)

    solve, tikhonov = [], []
    for weight in weights:
        normal, data_pull, centre_pull = solutions(weight)
        solve.append(_error(normal, rhs))
        scale = _norm(operator.adjoint(y)) + _norm(weight * centre)
        tikhonov.append(_norm(data_pull - centre_pull) / scale)
    # Not the built-in max, which may drop a NaN.
    return float(np.max(solve)), float(np.max(tikhonov))


def _error(value, expected) -> float:
    return _norm(value - expected) / max(_norm(expected), 1e-30)


def _norm(array) -> float:
    return float(jnp.linalg.norm(jnp.ravel(array)))
