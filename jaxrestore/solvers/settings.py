"""Checks that the public solvers share."""

import math
from typing import Any

import jax
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.solvers.driver import Stopping

WATCHED = ("change", "objective")


def check_number(
    name: str, value: Any, low: float, high: float, expected: str, scalar: bool = True
) -> Any:
    """Return a plain number (or array) as float32; arrays of JAX pass unseen.

    Args:
        name: the argument's name, for the message.
        value: None passes as it is.
        low: excluded lower bound.
        high: included upper bound.
        expected: what the message says was expected, and the remedy.
        scalar: refuse arrays of plain numbers.

    Raises:
        InputError: not a number, or outside (low, high].
    """
    if value is None or isinstance(value, jax.Array):
        return value
    try:
        number = np.asarray(value, np.float32)
        good = bool(np.all((number > low) & (number <= high)))
    except (TypeError, ValueError):
        number, good = np.float32(math.nan), False
    if not good or (scalar and number.ndim):
        raise InputError(f"{name} is {value!r}; expected {expected}")
    return number


def check_count(name: str, value: Any, low: int = 1) -> int:
    """Return a static count as int.

    Raises:
        InputError: not an integer, or below `low`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InputError(f"{name} is {value!r}; expected a whole number from {low} on")
    if value < low:
        raise InputError(f"{name} is {value}; expected {low} or more")
    return int(value)


def check_start(start: Any, observation: Any) -> None:
    """Refuse a starting image of another shape than the operator's input.

    Raises:
        InputError: the shapes differ.
    """
    shape = tuple(observation.operator.input_shape(observation.y.shape))
    if start is not None and tuple(start.shape) != shape:
        raise InputError(
            f"start has shape {tuple(start.shape)}; expected {shape}, the shape of the "
            "image that the operator takes"
        )


def check_latents(prior: Any, latents: Any, shape: tuple[int, ...]) -> None:
    """Refuse latents of other shapes than the prior gives images of `shape`.

    Raises:
        InputError: number or shape of the groups differs.
    """
    if latents is None:
        return
    image = jax.ShapeDtypeStruct(tuple(shape), np.float32)
    encoded = jax.eval_shape(lambda p, x: p.reconstruct(x, 1.0).latents, prior, image)
    expected = [tuple(z.shape) for z in encoded]
    shapes = [tuple(np.shape(z)) for z in latents]
    if shapes != expected:
        raise InputError(
            f"latents have shapes {shapes}; expected {expected}, as `reconstruct`"
            " returns them"
        )


def decoder_std(value: Any) -> Any:
    """Return gamma, a number or (H, W, C), as float32; None passes.

    Raises:
        InputError: not above 0.
    """
    return check_number("decoder_std", value, 0, 10, "a std > 0 in [0, 1] units", False)


def encoder_noise(value: Any) -> Any:
    """Return the noise level that the encoder is told as float32; None passes.

    Raises:
        InputError: below 0.
    """
    return check_number("encoder_noise", value, -1e-9, 10, "a std >= 0 in [0, 1] units")


def check_watch(watch: str) -> None:
    """Refuse what the plateau rule cannot follow.

    Raises:
        InputError: neither "change" nor "objective".
    """
    if watch not in WATCHED:
        raise InputError(f"watch is {watch!r}; expected one of {', '.join(WATCHED)}")


def stopping(tolerance: Any, patience: Any = None, improvement: Any = 1e-3) -> Stopping:
    """Return the checked stopping rules.

    Raises:
        InputError: tolerance below 0, patience below 0 or improvement outside [0, 1).
    """
    below = -float(np.finfo(np.float32).tiny)
    if patience is not None and not isinstance(patience, jax.Array):
        patience = np.int32(check_count("patience", patience, 0))
    return Stopping(
        check_number("tolerance", tolerance, below, 1e6, "0 or a small number > 0"),
        patience,
        check_number("improvement", improvement, below, 0.999, "a fraction in [0, 1)"),
    )
