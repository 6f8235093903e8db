"""What every degradation operator can do, and composition."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax

from jaxrestore.errors import InputError
from jaxrestore.operators.linear_solve import conjugate_gradient
from jaxrestore.pytrees import pytree

Shape = tuple[int, ...]
_PROJECTION_WEIGHT = 1e-6
_POWER_STEPS = 30


def is_uniform(weight) -> bool:
    """Whether a weight is one number for all pixels (known without its value)."""
    return jnp.ndim(weight) == 0


class Operator:
    """A degradation A of one image, any differentiable map, as a JAX pytree.

    To write your own: a frozen dataclass with `jaxrestore.pytrees.pytree`, arrays as
    plain fields, sizes as static ones, `__call__` and, where images and measurements
    differ in shape, `input_shape`. Derivatives come from JAX. A linear map is a
    `LinearOperator`, which can do more.

    Values are never inspected by the constructor or by the methods, which run under
    tracing; `validate` does that. Shapes are always checked.
    """

    scale: ClassVar[float] = 1
    """Image pixels per measured pixel along one side."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """A x: image (H, W, C) -> measurement."""
        raise NotImplementedError

    def pullback(self, x: jax.Array, residual: jax.Array) -> jax.Array:
        """The transposed derivative of A at x times a residual, (H, W, C)."""
        return jax.vjp(self, x)[1](residual)[0]

    def input_shape(self, measurement_shape: Shape) -> Shape:
        """Shape of the images whose measurements have the given shape."""
        return tuple(measurement_shape)

    def clean(self, y: jax.Array) -> jax.Array:
        """y with the entries that were never measured set to zero."""
        return y

    def initial_image(self, y: jax.Array) -> jax.Array:
        """A rough (H, W, C) image that an iterative solver can start from."""
        return y

    def unknown_boundary(
        self, observed_shape: Shape, multiple_of: int = 1
    ) -> "LinearOperator":
        """The non-periodic version, for real photographs.

        Nobody knows the scene outside a photograph, and it is not periodic. What is
        returned acts on a canvas that is larger by what the kernel reaches over the
        border and keeps what was observed, `Crop(margins) @ self`; masks stay in
        front, and what touches single pixels stays as it is.

        Args:
          observed_shape: (H, W, C) of the measurement.
          multiple_of: the canvas's height and width become multiples of it, for
            instance of a prior's stride, which then pads nothing.

        Returns:
          An operator whose `input_shape(observed_shape)` is the canvas, of
          FFT-friendly size; its `visible` cuts the photograph's frame out.

        Raises:
          InputError: there is no such version, or the kernel exceeds the image.
        """
        raise InputError(
            f"operator {type(self).__name__} has no unknown-boundary version; expected "
            "Blur, Downsample, Identity, Mask or Mask @ one of them; compose it with "
            "Crop yourself"
        )

    def visible(self, image: jax.Array, scale: float = 1) -> jax.Array:
        """The part of an image (H, W, C) that the measurement shows.

        Args:
          image: what the operator takes, enlarged `scale` times.
          scale: that number.
        """
        return image

    def validate(self) -> None:
        """Checks concrete values; raises InputError. Not for traced code."""

    def __matmul__(self, inner: "Operator") -> "Operator":
        parts = (*_parts(self), *_parts(inner))
        linear = all(isinstance(part, LinearOperator) for part in parts)
        return Compose(parts) if linear else Chain(parts)  # type: ignore[arg-type]


class LinearOperator(Operator):
    """A linear degradation: with an adjoint, solves and a projection.

    Everything but `__call__` has a default; override what has a closed form and
    certify it with `check_operator`.
    """

    closed_form: ClassVar[bool] = False
    """Whether solve_gram is cheap and exact."""

    @property
    def diagonal(self) -> bool:
        """Whether A'A and AA' are diagonal."""
        return False

    def adjoint(self, y: jax.Array) -> jax.Array:
        """A' y: measurement -> image (H, W, C)."""
        image = jax.ShapeDtypeStruct(self.input_shape(y.shape), y.dtype)
        return jax.linear_transpose(self, image)(y)[0]

    def pullback(self, x, residual):
        return self.adjoint(residual)

    def initial_image(self, y):
        return self.adjoint(y)

    def solve_normal(
        self, rhs: jax.Array, weight, start: jax.Array | None = None
    ) -> jax.Array:
        """(A'A + diag(weight))^-1 rhs.

        Args:
          rhs: (H, W, C).
          weight: > 0, a scalar or (H, W, C).
          start: first guess of an iterative solve; closed forms ignore it.
        """
        if self.diagonal:
            return rhs / (self.adjoint(self(jnp.ones_like(rhs))) + weight)
        return conjugate_gradient(
            lambda x: self.adjoint(self(x)) + weight * x, rhs, start
        )

    def solve_gram(self, residual: jax.Array, weight) -> jax.Array:
        """(AA' + weight I)^-1 residual, in measurement space; weight scalar > 0."""
        if self.diagonal:
            return residual / (self(self.adjoint(jnp.ones_like(residual))) + weight)
        return conjugate_gradient(
            lambda q: self(self.adjoint(q)) + weight * q,
            residual,
            precondition=lambda r: self.precondition(r, weight),
        )

    def precondition(self, residual: jax.Array, weight) -> jax.Array:
        """Cheap symmetric positive definite approximation of `solve_gram`."""
        cheap = self.closed_form or self.diagonal
        return self.solve_gram(residual, weight) if cheap else residual

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
        if self.diagonal:
            return centre + self.solve_normal(self.adjoint(residual), weight)
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

    def norm_squared(self, shape: Shape) -> jax.Array:
        """Largest eigenvalue of A'A, from below, by power iteration.

        Args:
          shape: (H, W, C) of the images.
        """
        # A constant image is the answer for positive kernels; the chirp, which has
        # something of every frequency, finds the others.
        places = jnp.arange(math.prod(shape), dtype=jnp.float32)
        start = 1 + jnp.sin(places * places % 6007).reshape(shape)
        product = lambda v: self.adjoint(self(v))  # noqa: E731
        value, _ = optax.power_iteration(product, v0=start, num_iters=_POWER_STEPS)
        return jnp.asarray(value)


class Diagonal(LinearOperator):
    """An operator whose A'A and AA' are diagonal."""

    closed_form = True
    diagonal = True  # type: ignore[assignment]


@pytree
@dataclass(frozen=True, eq=False)
class Chain(Operator):
    """The composition of several operators, not all of them linear.

    Attributes:
      operators: outermost first.
    """

    operators: tuple[Operator, ...]

    @property
    def scale(self) -> float:  # type: ignore[override]
        return math.prod(operator.scale for operator in self.operators)

    def __call__(self, x):
        for operator in reversed(self.operators):
            x = operator(x)
        return x

    def input_shape(self, measurement_shape):
        for operator in self.operators:
            measurement_shape = operator.input_shape(measurement_shape)
        return measurement_shape

    def clean(self, y):
        return self.operators[0].clean(y)

    def initial_image(self, y):
        for operator in self.operators:
            y = operator.initial_image(y)
        return y

    def visible(self, image, scale=1):
        for operator in reversed(self.operators):
            scale *= operator.scale
            image = operator.visible(image, scale)
        return image

    def validate(self):
        for operator in self.operators:
            operator.validate()


@pytree
@dataclass(frozen=True, eq=False)
class Compose(Chain, LinearOperator):
    """The product of several linear operators.

    Attributes:
      operators: outermost first, so Compose((Crop(m), Blur(k))) blurs, then crops.
    """

    operators: tuple[LinearOperator, ...]

    @property
    def diagonal(self):
        return all(operator.diagonal for operator in self.operators)

    def adjoint(self, y):
        for operator in self.operators:
            y = operator.adjoint(y)
        return y

    def pullback(self, x, residual):
        return self.adjoint(residual)

    def precondition(self, residual, weight):
        *selections, inner = self.operators
        # Behind anything but a selection the approximation would be singular.
        if self.diagonal or not all(outer.diagonal for outer in selections):
            return super().precondition(residual, weight)
        outer = Compose(tuple(selections))
        return outer(inner.precondition(outer.adjoint(residual), weight))

    def unknown_boundary(self, observed_shape, multiple_of=1):
        outer, *inner = self.operators
        if outer.unknown_boundary(observed_shape) is not outer or not inner:
            return super().unknown_boundary(observed_shape, multiple_of)
        rest = inner[0] if len(inner) == 1 else Compose(tuple(inner))
        return outer @ rest.unknown_boundary(observed_shape, multiple_of)


def _parts(operator: Operator) -> tuple[Operator, ...]:
    return operator.operators if isinstance(operator, Chain) else (operator,)
