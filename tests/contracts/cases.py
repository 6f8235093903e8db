"""Random operators and small tools for their laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from jaxrestore.operators import (
    JPEG,
    Blur,
    Compose,
    Crop,
    Downsample,
    Identity,
    Mask,
    Matrix,
    Resize,
    kernels,
)
from jaxrestore.operators.resize import FILTERS

# Each draw has a new shape and compiles anew: few examples of each operator.
laws = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

SEEDS = st.integers(0, 10**6)


def rows(names, rare):
    """One test for each name; the rare ones run with the slow tests alone."""
    slow = pytest.mark.slow
    return [pytest.param(n, marks=[slow] if n in rare else []) for n in names]


def relative(value, expected):
    expected = np.asarray(expected, np.float64)
    scale = max(np.linalg.norm(expected), 1e-30)
    return np.linalg.norm(np.asarray(value, np.float64) - expected) / scale


def normal(seed, shape, dtype=jnp.float32):
    return jax.random.normal(jax.random.key(seed), shape).astype(dtype)


def random_kernel(seed, height, width):
    rng = np.random.default_rng(seed)
    return jnp.asarray(kernels.normalise(rng.uniform(size=(height, width))))


def block_average(factor):
    """The mean over each factor x factor block."""
    kernel = np.zeros((2 * factor - 1, 2 * factor - 1), np.float32)
    kernel[:factor, :factor] = 1 / factor**2
    return Downsample(jnp.asarray(kernel), factor)


def problem(name, seed):
    """(operator, image shape): sizes and kernels of any parity, drawn by seed."""
    rng = np.random.default_rng(seed)
    factor = int(rng.integers(2, 5)) if "downsample" in name else 1
    low = -(-7 // factor)
    size = tuple(factor * int(rng.integers(low, low + 6 // factor + 1)) for _ in "HW")
    channels = int(rng.choice([1, 3]))
    sides = [int(rng.integers(1, 7)) for _ in "HW"]
    kernel = random_kernel(seed, *sides)
    drawn_mask = rng.uniform(size=(*size, 1)) < 0.5
    drawn_mask[0, 0] = True
    pieces = {
        "blur": lambda: Blur(kernel),
        "downsample": lambda: Downsample(kernel, factor),
        "mask": lambda: Mask(jnp.asarray(drawn_mask, jnp.float32)),
        "crop": lambda: Crop((0, 1, 1, 0)),
        "resize": lambda: Resize.create(
            size, rng.integers(3, 9, 2).tolist(), rng.choice(FILTERS)
        ),
        "identity": Identity,
        "jpeg": lambda: JPEG(size, ((1, 1), (2, 2), (1, 2))[:channels], seed % 4 + 1),
        "matrix": lambda: Matrix(
            normal(seed, (20, size[0] * size[1] * channels)) / 10,
            (*size, channels),
        ),
    }
    *outer, inner = [pieces[part]() for part in name.split(" @ ")]
    if outer and isinstance(outer[0], Blur):
        outer = [Blur(random_kernel(seed + 1, *sides))]
    return Compose((*outer, inner)) if outer else inner, (*size, channels)


def dense(operator, shape):
    """The matrix of an operator in float64."""
    basis = jnp.eye(int(np.prod(shape))).reshape(-1, *shape)
    columns = jax.jit(jax.vmap(operator))(basis)
    return np.asarray(columns, np.float64).reshape(len(basis), -1).T
