"""What every degradation operator can do, and composition."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxrestore.operators.linear_solve import conjugate_gradient

Shape = tuple[int, ...]
_PROJECTION_WEIGHT = 1e-6


def is_uniform(weight) -> bool:
    """Whether a weight is one number for all pixels (known without its value)."""
    return jnp.ndim(weight) == 0


class Operator:
    """A linear degradation A of one image, as a JAX pytree.

    To write your own: a frozen dataclass with `jax.tree_util.register_dataclass`,
    arrays as data fields, sizes as meta fields, `__call__` and, where images and
    measurements differ in shape, `input_shape`. Everything else has a default;
    override what has a closed form and certify it with `check_operator`.

    Values are never inspected by the constructor or by the methods, which run under
    tracing; `validate` does that. Shapes are always checked.
    """

    closed_form: ClassVar[bool] = False
    """Whether solve_gram is cheap and exact."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """A x: image (H, W, C) -> measurement."""
        raise NotImplementedError

    def adjoint(self, y: jax.Array) -> jax.Array:
        """A' y: measurement -> image (H, W, C)."""
        image = jax.ShapeDtypeStruct(self.input_shape(y.shape), y.dtype)
        return jax.linear_transpose(self, image)(y)[0]

    def input_shape(self, measurement_shape: Shape) -> Shape:
        """Shape of the images whose measurements have the given shape."""
        return tuple(measurement_shape)

    def solve_normal(
        self, rhs: jax.Array, weight, start: jax.Array | None = None
    ) -> jax.Array:
        """(A'A + diag(weight))^-1 rhs.

        Args:
          rhs: (H, W, C).
          weight: > 0, a scalar or (H, W, C).
          start: first guess of an iterative solve; closed forms ignore it.
        """
        return conjugate_gradient(
            lambda x: self.adjoint(self(x)) + weight * x, rhs, start
        )

    def solve_gram(self, residual: jax.Array, weight) -> jax.Array:
        """(AA' + weight I)^-1 residual, in measurement space; weight scalar > 0."""
        return conjugate_gradient(
            lambda q: self(self.adjoint(q)) + weight * q,
            residual,
            precondition=lambda r: self.precondition(r, weight),
        )

    def precondition(self, residual: jax.Array, weight) -> jax.Array:
        """Cheap symmetric positive definite approximation of `solve_gram`."""
        return self.solve_gram(residual, weight) if self.closed_form else residual

    def tikhonov(self, y: jax.Array, centre: jax.Array, weight) -> jax.Array:
        """argmin_x ||A x - y||^2 + sum_i weight_i (x_i - centre_i)^2.

        Solved in measurement space, x = centre + V A'(A V A' + I)^-1 (y - A centre)
        with V = diag(1/weight): nothing cancels when the weight is tiny, and the
        preconditioned conjugate gradients need a few steps where those on the normal
        equations need dozens (6 instead of 23 for an unknown boundary at noise 2.55).

        Args:
          y: measurement.
          centre: (H, W, C).
          weight: > 0, a scalar or (H, W, C).
        """
        residual = self.clean(y) - self(centre)
        if is_uniform(weight):
            return centre + self.adjoint(self.solve_gram(residual, weight))
        mean_weight = jnp.mean(weight)
        dual = conjugate_gradient(
            lambda q: self(self.adjoint(q) / weight) + q,
            residual,
            precondition=lambda r: self.precondition(r, mean_weight),
        )
        return centre + self.adjoint(dual) / weight

    def project(self, y: jax.Array, x: jax.Array) -> jax.Array:
        """argmin_u ||u - x||^2 such that A u = y: x + A'(AA')^-1 (y - A x).

        Thesis (6.18). What A all but loses stays as it is in x instead of being
        divided by nearly zero; here eigenvalues of AA' far below 1e-6, with a soft
        transition: operators of which the spectrum is known do better.

        Args:
          y: measurement without noise.
          x: (H, W, C).
        """
        for _ in range(2):  # the second pass takes away what the weight left
            x = self.tikhonov(y, x, _PROJECTION_WEIGHT)
        return x

    def clean(self, y: jax.Array) -> jax.Array:
        """y with the entries that were never measured set to zero."""
        return y

    def initial_image(self, y: jax.Array) -> jax.Array:
        """A rough (H, W, C) image that an iterative solver can start from."""
        return self.adjoint(y)

    def validate(self) -> None:
        """Checks concrete values; raises InputError. Not for traced code."""

    def __matmul__(self, inner: "Operator") -> "Compose":
        return Compose((*_parts(self), *_parts(inner)))


class Diagonal(Operator):
    """An operator whose A'A and AA' are diagonal."""

    closed_form = True

    def solve_normal(self, rhs, weight, start=None):
        return rhs / (self.adjoint(self(jnp.ones_like(rhs))) + weight)

    def solve_gram(self, residual, weight):
        return residual / (self(self.adjoint(jnp.ones_like(residual))) + weight)

    def tikhonov(self, y, centre, weight):
        return centre + self.solve_normal(self.adjoint(y - self(centre)), weight)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Compose(Operator):
    """The product of several operators.

    Attributes:
      operators: outermost first, so Compose((Crop(m), Blur(k))) blurs, then crops.
    """

    operators: tuple[Operator, ...]

    def __call__(self, x):
        for operator in reversed(self.operators):
            x = operator(x)
        return x

    def adjoint(self, y):
        for operator in self.operators:
            y = operator.adjoint(y)
        return y

    def input_shape(self, measurement_shape):
        for operator in self.operators:
            measurement_shape = operator.input_shape(measurement_shape)
        return measurement_shape

    def precondition(self, residual, weight):
        *selections, inner = self.operators
        # Behind anything but a selection the approximation would be singular.
        if not all(isinstance(operator, Diagonal) for operator in selections):
            return residual
        outer = Compose(tuple(selections))
        return outer(inner.precondition(outer.adjoint(residual), weight))

    def clean(self, y):
        return self.operators[0].clean(y)

    def initial_image(self, y):
        for operator in self.operators:
            y = operator.initial_image(y)
        return y

    def validate(self):
        for operator in self.operators:
            operator.validate()


def _parts(operator: Operator) -> tuple[Operator, ...]:
    return operator.operators if isinstance(operator, Compose) else (operator,)
