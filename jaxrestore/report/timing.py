"""What a call of JAX takes, and how much of that was compiling."""

import time
from collections.abc import Callable
from typing import TypeVar

import jax

T = TypeVar("T")


def timed(call: Callable[[], T]) -> tuple[T, float, float]:
    """Run a function; its finished result, its seconds, and those of compiling.

    The first do not contain the latter: tracing, lowering, and compiling or reading
    the program from JAX's cache. From the second call of a structure and shape on
    they are 0.
    """
    spans: list[tuple[float, float]] = []

    def note(event: str, start_time: float, end_time: float, **_) -> None:
        if event.startswith("/jax/core/compile/"):
            spans.append((start_time, end_time))

    jax.monitoring.register_event_time_span_listener(note)
    try:
        begin = time.time()
        result = jax.block_until_ready(call())
        total = time.time() - begin
    finally:
        jax.monitoring.unregister_event_time_span_listener(note)
    compiling = _covered(spans)
    return result, total - compiling, compiling


def _covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union: tracing one function traces others inside it."""
    total, last = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(end - max(begin, last), 0.0)
        last = max(last, end)
    return total
