"""What a device can do at most, measured, and what a program asks of it."""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
_ARRAY = 2**26  # floats, 256 MiB: more than caches hold

Op = tuple[Any, ...]


class Roofline(NamedTuple):
    """Of the device that JAX finds.

    Attributes:
        flops: a second, of a large float32 matrix product.
        bytes: a second, read and written by x + y / 2 on large arrays.
    """

    flops: float
    bytes: float

    def seconds(self, flops: float, bytes: float) -> float:
        """Least time of a program that computes and moves so much."""
        return max(flops / self.flops, bytes / self.bytes)


def measured(repeats: int, clock: str, side: int, length: int = _ARRAY) -> Roofline:
    """The best of some runs of each."""
    x = jnp.ones(length)
    y = jax.block_until_ready(x + 1)
    triad = jax.jit(lambda x, y: x + 0.5 * y)
    slowest = min(times(lambda: triad(x, y), repeats, clock))
    return Roofline(product_rate(repeats, side, clock), 3 * 4 * length / slowest)


def product_rate(repeats: int, side: int, clock: str = "wall") -> float:
    """Operations a second of a (side x side) float32 matrix product."""
    a = jax.random.normal(jax.random.key(0), (side, side))
    multiply = jax.jit(jnp.dot)
    return (
        2 * side**3 / statistics.median(times(lambda: multiply(a, a), repeats, clock))
    )


def times(call: Callable[[], Any], repeats: int, clock: str = "wall") -> list[float]:
    """Seconds of calls, results waited for; the first call is extra."""
    jax.block_until_ready(call())
    return [once(call, clock) for _ in range(repeats)]


def once(call: Callable[[], Any], clock: str = "wall") -> float:
    """Seconds of a call."""
    now = CLOCKS[clock]
    begin = now()
    jax.block_until_ready(call())
    return now() - begin


def median(call: Callable[[], Any], repeats: int) -> float:
    """Of `times`, wall."""
    return statistics.median(times(call, repeats))


def least_bytes(program: Any) -> float:
    """What a compiled program reads and writes at least: arguments and results."""
    analysis = program.memory_analysis()
    return analysis.argument_size_in_bytes + analysis.output_size_in_bytes


def inventory(function: Callable[..., Any], *args: Any) -> Counter[Op]:
    """Products and convolutions of a traced function, with how often each runs."""
    counts: Counter[Op] = Counter()
    _collect(jax.make_jaxpr(function)(*args).jaxpr, 1, counts)
    return counts


def _collect(jaxpr: Any, times: int, counts: Counter[Op]) -> None:
    for eqn in jaxpr.eqns:
        name = eqn.primitive.name
        if name in ("dot_general", "conv_general_dilated"):
            shapes = tuple((v.aval.shape, v.aval.dtype.name) for v in eqn.invars)
            params = tuple(sorted((k, v) for k, v in eqn.params.items()))
            output = eqn.outvars[0].aval.shape
            counts[(eqn.primitive, shapes, _Frozen(params), output)] += times
        inner = times * (eqn.params["length"] if name == "scan" else 1)
        for value in eqn.params.values():
            for sub in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(sub, "eqns"):
                    _collect(sub, inner, counts)
                elif hasattr(sub, "jaxpr"):
                    _collect(sub.jaxpr, inner, counts)


class _Frozen:
    """Parameters of a primitive, compared by what they print."""

    def __init__(self, params: tuple):
        self.params = params

    def __hash__(self) -> int:
        return hash(repr(self.params))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and repr(self.params) == repr(other.params)


def flops(op: Op) -> float:
    """Multiplications and additions of one product or convolution."""
    primitive, shapes, frozen, output = op
    params = dict(frozen.params)
    total = 2.0
    for side in output:
        total *= side
    left, right = shapes[0][0], shapes[1][0]
    if primitive.name == "dot_general":
        for axis in params["dimension_numbers"][0][0]:
            total *= left[axis]
        return total
    spec = params["dimension_numbers"].rhs_spec
    for axis in spec[1:]:
        total *= right[axis]
    return total
