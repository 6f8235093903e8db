"""Temperatures: one tau for all latent groups, or one for each.

tau in (0, 1] scales the prior's standard deviation of a group: lambda = 1/tau^2 - 1
is the weight that the prior has beside the encoder (Algorithm 3). 1 leaves the
encoder's mean, towards 0 the prior's mean remains.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxrestore.errors import InputError


def constant(tau: float) -> np.ndarray:
    """Return the same temperature for all groups, a float32 scalar in (0, 1]."""
    return check(tau)


def linear(top: float, bottom: float, num_groups: int) -> np.ndarray:
    """Return (num_groups,) temperatures that go from `top` towards `bottom`.

    tau_l = top + l * (bottom - top) / num_groups for l = 0 .. num_groups - 1, so the
    coarsest group has `top` and the finest stops one step short of `bottom`. (The
    published configurations name such a schedule, but its code was never published;
    this is the only formula that the published sources contain.)
    """
    if num_groups < 1:
        raise InputError(f"num_groups is {num_groups}; expected 1 or more")
    check([top, bottom])
    steps = np.arange(num_groups) / num_groups
    return check(top + steps * (bottom - top), num_groups)


def explicit(values: Sequence[float], num_groups: int) -> np.ndarray:
    """Return the given temperatures, one per group, the coarsest first."""
    return check(np.atleast_1d(np.asarray(values)), num_groups)


def check(temperature: Any, num_groups: int | None = None) -> Any:
    """Return `temperature` as a float32 array; arrays of JAX pass with a shape test.

    Args:
        temperature: a scalar or one value per group, each in (0, 1].
        num_groups: the prior's number of groups; None: not tested.

    Raises:
        InputError: wrong length, not numbers, or a value outside (0, 1].
    """
    if not isinstance(temperature, jax.Array):
        temperature = _checked_values(temperature)
    shape = np.shape(temperature)
    if num_groups is not None and shape not in ((), (num_groups,)):
        raise InputError(
            f"temperature has shape {shape}; expected one number or {num_groups} "
            "numbers, one per latent group, the coarsest first"
        )
    return temperature


def _checked_values(temperature: Any) -> np.ndarray:
    try:
        values = np.asarray(temperature, np.float32)
    except (TypeError, ValueError):
        values = np.full((), np.nan, np.float32)
    if not np.all((values > 0) & (values <= 1)):
        raise InputError(
            f"temperature is {temperature!r}; expected numbers above 0 and up to 1"
        )
    return values
