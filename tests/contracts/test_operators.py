"""Laws that every operator obeys, over random sizes, kernels and factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jaxrestore.errors import InputError
from jaxrestore.operators import (
    Blur,
    Crop,
    Downsample,
    Identity,
    LinearOperator,
    Mask,
    Matrix,
    kernels,
)
from tests.contracts.cases import (
    SEEDS,
    block_average,
    dense,
    laws,
    normal,
    problem,
    random_kernel,
    relative,
    rows,
)

# One FFT pair keeps about 1e-7 of the norm in float32; the adjoint bound leaves a
# factor of 30. Solves divide by eigenvalues down to the weight (0.05 here), and
# conjugate gradients stop at 1e-5. float64 shows that only rounding makes the adjoint
# errors of float32 (the kernels are float32 numbers in both).
ADJOINT_ERROR = {"float32": 1e-5, "float64": 1e-13}
SOLVE_ERROR = 1e-4

CLOSED = "blur", "downsample", "resize", "mask", "crop", "matrix"
COMPOSED = "crop @ blur", "crop @ downsample", "mask @ blur", "blur @ blur"
SOLVED = ("identity", *CLOSED, *COMPOSED)
ALL = ("jpeg", *SOLVED)  # its solves are conjugate gradients alone


@pytest.mark.parametrize("name", rows(ALL, COMPOSED[:3]))
@laws
@example(seed=1)
@given(seed=SEEDS)
def test_linear_with_its_transpose_as_adjoint(name, seed):
    # Odd seeds in double precision.
    dtype = ("float32", "float64")[seed % 2]
    operator, shape = problem(name, seed)
    bound = ADJOINT_ERROR[dtype]

    @jax.jit
    def evaluate(u, v):
        measured, combined = operator(u), operator(2 * u - 3 * v)
        y = jnp.flip(combined, 0) + 1
        (transpose,) = jax.linear_transpose(operator, u)(y)
        return y, measured, operator(v), combined, operator.adjoint(y), transpose

    with jax.enable_x64(dtype == "float64"):
        u, v = normal(seed, shape, dtype), normal(seed + 1, shape, dtype)
        y, first, second, combined, adjoint, transpose = evaluate(u, v)
        assert adjoint.dtype == first.dtype == dtype
        assert operator.input_shape(y.shape) == adjoint.shape == shape
        assert relative(combined, 2 * first - 3 * second) < bound
        assert relative(adjoint, transpose) < bound
        gap = abs(jnp.vdot(first, y) - jnp.vdot(u, adjoint))
        assert gap < bound * jnp.linalg.norm(first) * jnp.linalg.norm(y)


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLVED)
@laws
@example(seed=1)
@given(seed=SEEDS)
def test_solves_against_dense_algebra(name, seed):
    operator, shape = problem(name, seed)
    matrix = dense(operator, shape)
    rhs, centre = normal(seed, shape), normal(seed + 1, shape)
    y = jax.jit(operator)(normal(seed + 2, shape)) + 1
    pixels = jax.random.uniform(jax.random.key(seed), shape, minval=0.05)

    @jax.jit
    def solve(weight):
        step = operator.tikhonov(y, centre, weight)
        return operator.solve_normal(rhs, weight), step

    # Odd seeds with a weight for each pixel.
    weight = (0.05, pixels)[seed % 2]
    solution, step = solve(weight)
    diagonal = np.broadcast_to(np.asarray(weight, np.float64), shape).ravel()
    system = matrix.T @ matrix + np.diag(diagonal)
    full = matrix.T @ np.asarray(operator.clean(y), np.float64).ravel()
    full += diagonal * np.asarray(centre, np.float64).ravel()
    expected = np.linalg.solve(system, np.ravel(rhs))
    assert relative(solution.ravel(), expected) < SOLVE_ERROR
    assert relative(step.ravel(), np.linalg.solve(system, full)) < SOLVE_ERROR


@pytest.mark.parametrize("name", rows(CLOSED, ("downsample", "resize")))
@laws
@given(seed=SEEDS)
def test_closed_form_equals_conjugate_gradients(name, seed):
    operator, shape = problem(name, seed)
    rhs, start = normal(seed, shape), normal(seed + 1, shape)
    y = operator.clean(normal(seed + 2, operator(rhs).shape))
    plain = _Uncertified(operator)

    @jax.jit
    def both():
        closed = operator.solve_normal(rhs, 0.1), operator.solve_gram(y, 0.1)
        return *closed, plain.solve_normal(rhs, 0.1, start), plain.solve_gram(y, 0.1)

    normal_closed, gram_closed, normal_iterative, gram_iterative = both()
    assert relative(normal_closed, normal_iterative) < SOLVE_ERROR
    assert relative(gram_closed, gram_iterative) < SOLVE_ERROR


@pytest.mark.parametrize("name", rows(ALL, COMPOSED[:3]))
@settings(max_examples=2, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_projection_explains_and_is_nearest(name, seed):
    operator, shape = problem(name, seed)
    x, other = normal(seed, shape), normal(seed + 1, shape)

    @jax.jit
    def evaluate():
        y = operator(other)  # so that some image explains it
        projected = operator.project(y, x)
        gap = operator(projected) - operator.clean(y)
        return projected, gap, operator.clean(y)

    projected, gap, y = evaluate()
    bound = (
        2e-2 if name in (*COMPOSED, "jpeg") else 1e-4
    )  # conjugate gradients stop earlier
    assert np.linalg.norm(gap) < bound * np.linalg.norm(y)
    # No image that explains y is nearer, `other` among them. (What A all but loses is
    # left as it is.)
    scales = np.linalg.svd(dense(operator, shape), compute_uv=False)
    if not ((scales > 1e-6) & (scales < 0.03)).any():
        step, apart = np.ravel(projected - x), np.ravel(other - projected)
        length = np.linalg.norm(step)
        # Of an invertible A only `other` is left, and nothing lies apart.
        angle = step @ apart / (length * (np.linalg.norm(apart) + 0.01 * length))
        assert abs(angle) < 1e-3


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("kernel", rows(("bicubic", "gaussian"), ["gaussian"]))
@settings(max_examples=2, deadline=None, derandomize=True)
@given(sides=st.tuples(st.integers(5, 9), st.integers(5, 9)), seed=SEEDS)
def test_projection_of_reductions(kernel, factor, sides, seed):
    weights = kernels.bicubic(factor)
    if kernel == "gaussian":
        weights = kernels.gaussian(4 * factor + 1, 0.5 * factor)
    operator = Downsample(jnp.asarray(weights), factor)
    x = jax.random.uniform(jax.random.key(seed), (*(factor * n for n in sides), 1))
    y = operator(jax.random.uniform(jax.random.key(seed + 1), x.shape))
    once = jax.jit(operator.project)(y, x)
    np.testing.assert_allclose(operator(once), y, atol=1e-5)
    np.testing.assert_allclose(operator.project(y, once), once, atol=1e-5)


def test_projection_leaves_what_a_wide_blur_loses():
    operator = Downsample(jnp.asarray(kernels.gaussian(25, 2.0)), 2)
    x, other = (jax.random.uniform(jax.random.key(i), (64, 64, 1)) for i in range(2))
    # 8-bit rounding, divided by what the blur leaves of the finest frequencies, would
    # be larger than the image by far.
    y = jnp.round(255 * operator(other)) / 255
    once = operator.project(y, x)
    np.testing.assert_allclose(operator(once), y, atol=3e-3)
    np.testing.assert_allclose(operator.project(y, once), once, atol=5e-3)


class _Uncertified(LinearOperator):
    """An operator of which only A is known."""

    def __init__(self, operator):
        self.operator = operator
        self.input_shape = operator.input_shape

    def __call__(self, x):
        return self.operator(x)


@pytest.mark.parametrize("name", rows(["mask", "blur", "crop @ blur"], COMPOSED))
def test_jit_and_vmap_change_nothing(name, seed=7):
    operator, shape = problem(name, seed)
    x = normal(seed, (2, *shape))
    y = jax.vmap(operator)(x)

    def everything(a, x, y):
        return a(x), a.adjoint(y), a.tikhonov(y, x, 0.1), a.tikhonov(y, x, 0.1 + x**2)

    batch = jax.jit(jax.vmap(everything, (None, 0, 0)))(operator, x, y)
    compiled = jax.jit(everything)
    for index in range(len(x)):
        eager = everything(operator, x[index], y[index])
        jitted = compiled(operator, x[index], y[index])
        for b, e, c in zip(batch, eager, jitted, strict=True):
            assert relative(b[index], e) < 2e-5
            assert relative(c, e) < 2e-5


@pytest.mark.parametrize("name", ["blur", "downsample"])
@settings(laws, max_examples=10)
@given(seed=SEEDS)
def test_convolution_is_true_and_periodic(name, seed):
    operator, shape = problem(name, seed)
    x = np.asarray(normal(seed, shape), np.float64)
    kernel = np.asarray(operator.kernel, np.float64)
    centre = kernel.shape[0] // 2, kernel.shape[1] // 2
    expected = sum(
        value * np.roll(x, (row - centre[0], column - centre[1]), (0, 1))
        for (row, column), value in np.ndenumerate(kernel)
    )
    if isinstance(operator, Downsample):
        expected = expected[:: operator.factor, :: operator.factor]
    assert relative(jax.jit(operator)(x.astype(np.float32)), expected) < 1e-6


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_block_average_is_the_mean_of_blocks(factor):
    x = normal(0, (4 * factor, 3 * factor, 2))
    expected = x.reshape(4, factor, 3, factor, 2).mean((1, 3))
    assert relative(block_average(factor)(x), expected) < 1e-6


def test_composition_order_and_flattening():
    x = normal(0, (12, 10, 3))
    blur, crop = Blur(random_kernel(0, 3, 4)), Crop((1, 2, 3, 0))
    mask = Mask(jnp.ones((9, 7, 1)).at[3].set(0))
    product = mask @ crop @ blur
    assert len(product.operators) == 3
    np.testing.assert_allclose(product(x), mask(crop(blur(x))))
    y = normal(1, (9, 7, 3))
    expected = blur.adjoint(crop.adjoint(mask.adjoint(y)))
    np.testing.assert_allclose(product.adjoint(y), expected)
    assert (mask @ (crop @ blur)).operators == product.operators


def test_tiny_weights_stay_accurate():
    """The data step does not lose digits where the normal equations would."""
    shape = 12, 12, 1
    for operator in Downsample(random_kernel(3, 3, 3), 3), Crop((1, 1, 2, 2)):
        matrix = dense(operator, shape)
        centre = normal(1, shape)
        y = operator(normal(2, shape))
        gap = np.asarray(y, np.float64).ravel() - matrix @ np.float64(centre).ravel()
        for weight in 1e-4, 1e-6:
            gram = matrix @ matrix.T + weight * np.eye(len(matrix))
            change = matrix.T @ np.linalg.solve(gram, gap)
            step = jax.jit(operator.tikhonov)(y, centre, weight) - centre
            assert relative(step.ravel(), change) < 1e-4


def test_another_kernel_compiles_nothing():
    traces = []

    @jax.jit
    def step(operator, y, centre, weight):
        traces.append(1)
        return operator.tikhonov(y, centre, weight)

    x = normal(0, (12, 12, 3))
    for seed in range(3):
        step(Blur(random_kernel(seed, 5, 4)), x, x, 0.1 * (seed + 1))
    assert len(traces) == 1


@pytest.mark.slow
@pytest.mark.parametrize("operator", [Blur(np.ones((3, 3)) / 9), Identity()])
def test_gradient_through_the_data_step(operator):
    """Reverse mode works through closed forms and conjugate gradients."""
    shape = 9, 8, 1
    operator = Crop((1, 1, 1, 1)) @ operator
    y, centre, probe = normal(0, (7, 6, 1)), normal(1, shape), normal(2, shape)

    def loss(centre):
        return jnp.vdot(probe, operator.tikhonov(y, centre, 0.3))

    matrix = dense(operator, shape)
    system = matrix.T @ matrix + 0.3 * np.eye(matrix.shape[1])
    expected = 0.3 * np.linalg.solve(system, np.ravel(probe))
    assert relative(jax.grad(loss)(centre).ravel(), expected) < 1e-4


@pytest.mark.parametrize(
    ("operator", "shape", "message"),
    [
        (Blur(np.ones((9, 3)) / 27), (8, 8, 3), "larger than the image of 8x8"),
        (Blur(np.ones((3, 3, 3))), (8, 8, 3), "kernel has shape"),
        (Downsample(np.ones((1, 1)), 3), (9, 8, 3), "factor=3 does not divide"),
        (Mask(np.ones((8, 9, 1))), (8, 8, 3), "mask has shape"),
        (Mask(np.ones((8, 8))), (8, 8, 3), "mask has shape"),
        (Crop((4, 4, 0, 0)), (8, 8, 3), "leave nothing"),
        (Matrix(np.ones((2, 12)), (2, 2, 3)), (2, 3, 2), "image has shape"),
    ],
)
def test_sizes_that_do_not_fit(operator, shape, message):
    with pytest.raises(InputError, match=message) as failure:
        jax.jit(lambda a, x: a(x))(operator, jnp.zeros(shape))
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (Blur(np.zeros((3, 3))), "kernel sums to 0"),
        (Blur(np.full((3, 3), np.nan)), "kernel holds NaN"),
        (Mask(np.zeros((4, 4, 1))), "mask is zero everywhere"),
        (Mask(np.full((4, 4, 1), np.inf)), "mask holds NaN"),
        (Downsample(np.ones((1, 1)), 0), "factor=0"),
        (Crop((1, -1, 0, 0)), "margins=.*expected four numbers"),
        (Matrix(np.ones((2, 5)), (2, 2, 1)), "matrix has shape"),
        (Matrix(np.full((2, 4), np.nan), (2, 2, 1)), "matrix holds NaN"),
        (Identity() @ Blur(np.zeros((3, 3))), "kernel sums to 0"),
    ],
)
def test_validate_refuses_unusable_values(operator, message):
    with pytest.raises(InputError, match=message):
        operator.validate()
    with pytest.raises(InputError, match="factor=2.5"):
        Downsample(np.ones((1, 1)), 2.5).validate()
