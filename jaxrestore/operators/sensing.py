"""Dense matrices: compressed sensing of small images."""

import math
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.operators.base import LinearOperator
from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True, eq=False)
class Matrix(LinearOperator):
    """Product of a dense matrix with the flattened image.

    Attributes:
      matrix: (m, H * W * C).
      shape: (H, W, C) of the image; the measurement has shape (m,).
    """

    matrix: jax.Array
    shape: tuple[int, int, int] = field(metadata={"static": True})
    closed_form = True

    def __call__(self, x):
        if tuple(x.shape) != self.shape:
            raise InputError(
                f"image has shape {tuple(x.shape)}; expected shape={self.shape} as "
                "given to Matrix; reshape the image"
            )
        return _dot(self._matrix(x), x.ravel())

    def adjoint(self, y):
        return _dot(self._matrix(y).T, y).reshape(self.shape)

    def input_shape(self, measurement_shape):
        return self.shape

    def solve_normal(self, rhs, weight, start=None):
        matrix = self._matrix(rhs)
        diagonal = jnp.broadcast_to(weight, self.shape).ravel()
        return _solve(matrix.T, 1.0, diagonal, rhs.ravel()).reshape(self.shape)

    def solve_gram(self, residual, weight):
        return _solve(self._matrix(residual), 1.0, weight, residual)

    def tikhonov(self, y, centre, weight):
        variance = (1 / jnp.broadcast_to(weight, self.shape)).ravel()
        dual = _solve(self._matrix(y), variance, 1.0, y - self(centre))
        return centre + self.adjoint(dual) * variance.reshape(self.shape)

    def initial_image(self, y):
        """The image nearest to mid-grey that nearly explains y."""
        grey = jnp.full(self.shape, 0.5, y.dtype)
        mean_gain = jnp.sum(jnp.square(self._matrix(y))) / len(y)
        return self.tikhonov(y, grey, 1e-3 * mean_gain)

    def validate(self):
        pixels = math.prod(self.shape)
        if jnp.ndim(self.matrix) != 2 or self.matrix.shape[1] != pixels:
            raise InputError(
                f"matrix has shape {jnp.shape(self.matrix)}; expected (m, {pixels}) "
                f"for images of shape={self.shape}"
            )
        if not np.isfinite(np.asarray(self.matrix)).all():
            raise InputError(
                "matrix holds NaN or infinite values; expected finite numbers"
            )

    def _matrix(self, like):
        return self.matrix.astype(like.dtype)


def _dot(a, b):
    # Accelerators would otherwise round the factors to fewer bits.
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _solve(matrix, variance, diagonal, rhs):
    """(M diag(variance) M' + diag(diagonal))^-1 rhs by Cholesky."""
    gram = _dot(matrix * variance, matrix.T)
    gram += jnp.diag(jnp.broadcast_to(diagonal, gram.shape[:1]).astype(gram.dtype))
    # For derivatives of either order; the rule for batches has none.
    return jax.lax.custom_linear_solve(
        partial(_dot, gram), rhs, lambda _, b: _solve_positive(gram, b), symmetric=True
    )


@jax.custom_batching.sequential_vmap
def _solve_positive(matrix, rhs):
    """By Cholesky, the elements of a batch in turn.

    LAPACK's batched kernels of jaxlib wait, on a thread of the pool, for work that they
    hand to the same pool: two of them at once on two cores wait for ever.
    """
    return jax.scipy.linalg.solve(matrix, rhs, assume_a="pos")
