"""Continuation: settings that begin larger and are then held."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.settings import parse_number

COLUMNS = ("temperature", "decoder_std", "encoder_noise")

_EXPECTED = (
    "expected none, FIRST:LENGTH such as 5:8 (from 5 times the settings down to them in"
    " 8 evaluations), FIRST:LENGTH:TEMPERATURE such as 5:8:0.7 (that begins with 0.7"
    " times the temperature), factors such as 6,4,2,1, or an array (K, 3) of factors of"
    f" {', '.join(COLUMNS)}; all above 0 and at most 1000"
)
_LONGEST, _LARGEST = 10_000, 1_000


def schedule(value: Any, name: str) -> np.ndarray | None:
    """A schedule as it may be written; the check of solvers' settings.

    Args:
        value: None or "none"; "5:8" or "5:8:0.7", see `geometric`; "6,4,2,1" or
            (K,) factors of decoder_std and encoder_noise together; (K, 3) factors,
            see `COLUMNS`.
        name: for messages.

    Returns:
        (K, 3) float32, None for none.

    Raises:
        InputError: anything else.
    """
    if value is None or (isinstance(value, str) and value in ("none", "")):
        return None
    try:
        found = _read(value, name)
    except (InputError, ValueError, TypeError) as error:
        raise InputError(f"{name}={value}: {_EXPECTED}") from error
    good = found.shape[1:] == (3,) and 0 < len(found) <= _LONGEST
    if not good or not np.all((found > 0) & (found <= _LARGEST)):
        raise InputError(f"{name}={value}: {_EXPECTED}")
    return found


def _read(value: Any, name: str) -> np.ndarray:
    if isinstance(value, str) and ":" in value:
        first, length, *tau = (parse_number(part, name) for part in value.split(":"))
        whole = 1 <= length <= _LONGEST and length == int(length)
        if not (whole and len(tau) <= 1 and min(first, *tau, 1) > 0):
            raise InputError(_EXPECTED)
        return geometric(first, int(length), *tau)
    if isinstance(value, str):
        value = [parse_number(part, name) for part in value.split(",")]
        if len(value) == 1:  # "5" is "5:8" half written
            raise InputError(_EXPECTED)
    found = np.asarray(value, np.float32)
    return tied(found) if found.ndim == 1 else found


def geometric(first: float, length: int, temperature: float = 1.0) -> np.ndarray:
    """(length, 3): decoder_std and encoder_noise from `first` times theirs to theirs.

    The factors are first^(1 - k / (length - 1)), those of the temperature likewise
    from its own first one; all end with 1.
    """
    if length == 1:
        return constant()
    table = tied(np.geomspace(first, 1.0, length))
    table[:, 0] = np.geomspace(temperature, 1.0, length)
    return table


def tied(factors: Any) -> np.ndarray:
    """(K, 3): the same factors (K,) of decoder_std and encoder_noise."""
    factors = np.asarray(factors, np.float32)
    return np.stack([np.ones_like(factors), factors, factors], 1)


def constant() -> np.ndarray:
    """(1, 3): the settings as they are."""
    return np.ones((1, 3), np.float32)


def table(given: Any) -> Any:
    """The (K, 3) factors of a checked schedule; arrays of JAX have their shape checked.

    Raises:
        InputError: another shape.
    """
    if given is None:
        return constant()
    if isinstance(given, jax.Array) and given.ndim == 1:
        given = jnp.stack([jnp.ones_like(given), given, given], 1)
    if given.shape[1:] != (3,) or not len(given):
        raise InputError(f"schedule: an array of shape {given.shape}; {_EXPECTED}")
    return given


def factors_at(table: jax.Array, step: jax.Array) -> tuple[jax.Array, ...]:
    """The row of a step, the last one from its own on: a scalar for each column."""
    row = jnp.asarray(table)[jnp.minimum(step, len(table) - 1)]
    return row[0], row[1], row[2]
