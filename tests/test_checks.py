"""check_operator passes what is right and names what is wrong."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import (
    Blur,
    Crop,
    Downsample,
    Identity,
    LinearOperator,
    Mask,
    Matrix,
    check_operator,
    kernels,
)
from jaxrestore.pytrees import pytree
from tests.contracts.cases import block_average

SHAPE = (12, 16, 3)
KERNEL = jnp.asarray(kernels.motion((5, 4), seed=0))
MASK = jnp.asarray(np.random.default_rng(0).uniform(size=(12, 16, 1)) < 0.5)


@pytest.mark.parametrize(
    "operator",
    [
        Identity(),
        Mask(MASK),
        pytest.param(Blur(KERNEL), marks=pytest.mark.slow),
        pytest.param(Downsample(KERNEL, 4), marks=pytest.mark.slow),
        pytest.param(block_average(2), marks=pytest.mark.slow),
        Matrix(jax.random.normal(jax.random.key(0), (50, 12 * 16 * 3)) / 20, SHAPE),
        Crop((1, 2, 0, 3)),
        Mask(MASK) @ Blur(KERNEL),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_library_operators_pass(operator):
    report = check_operator(operator, SHAPE, jax.random.key(1))
    assert report.transpose is not None and report.transpose < 1e-6
    assert report.linearity < 1e-6 and report.inner_product < 1e-6
    assert report.solve < 5e-5 and report.tikhonov < 5e-5


def test_unknown_boundary_passes():
    operator = Downsample(KERNEL, 2).unknown_boundary((6, 8, 3))
    check_operator(operator, operator.input_shape((6, 8, 3)), jax.random.key(1))


@pytree
@dataclass(frozen=True, eq=False)
class Horizontal(LinearOperator):
    """Difference of neighbours: only A is given."""

    def __call__(self, x):
        return x - jnp.roll(x, 1, axis=1)


def test_a_user_needs_to_write_nothing_but_a():
    check_operator(Horizontal(), SHAPE, jax.random.key(2))


class WrongSign(Horizontal):
    def adjoint(self, y):
        return y - jnp.roll(y, 1, axis=1)


class SlightlyWrong(Horizontal):
    def adjoint(self, y):
        return super().adjoint(y) * (1 + 1e-4)


class Affine(Horizontal):
    def __call__(self, x):
        return x + 0.1


class Saturating(Horizontal):
    def __call__(self, x):
        return jnp.tanh(x)


class Zero(Horizontal):
    def __call__(self, x):
        return 0 * x


class NotANumber(Horizontal):
    def __call__(self, x):
        return x * jnp.nan


class WrongSolve(Horizontal):
    def solve_normal(self, rhs, weight, start=None):
        return rhs / (2 + weight)


class WrongGram(Horizontal):
    def solve_gram(self, residual, weight):
        return residual / (2 + weight)


class WrongShape(Horizontal):
    def __call__(self, x):
        return x[::2]


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (WrongSign, "<Ax, y>"),
        (SlightlyWrong, "adjoint"),
        (Affine, "not linear"),
        (Saturating, "not linear"),
        (Zero, "to zero or NaN"),
        (NotANumber, "to zero or NaN"),
        (WrongSolve, "check solve_normal"),
        (WrongGram, "check tikhonov or solve_gram"),
        (WrongShape, "input_shape of the operator gives"),
    ],
)
def test_violations_are_named(operator, message):
    with pytest.raises(InputError, match=message) as failure:
        check_operator(operator(), SHAPE, jax.random.key(3))
    assert "\n" not in str(failure.value)
