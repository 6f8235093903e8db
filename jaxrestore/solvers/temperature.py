"""Temperatures: one tau for all latent groups, or one for each.

tau in (0, 1] scales the prior's standard deviation of a group: lambda = 1/tau^2 - 1
is the weight that the prior has beside the encoder (Algorithm 3). 1 leaves the
encoder's mean, towards 0 the prior's mean remains.
"""

from typing import Any

import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.settings import parse_number

_EXPECTED = (
    "expected a number in (0, 1], two of them as 0.8:0.6 (coarsest to finest group),"
    " or one per group as 0.9,0.8,..."
)


def temperature(value: Any, name: str) -> Any:
    """A temperature as it may be written; the check of solvers' settings.

    Args:
        value: a number or "0.8", "0.8:0.6" (see `linear`), "0.9,0.8,..." or a sequence
            with one number per latent group, the coarsest first.
        name: for messages.

    Returns:
        A number, a float32 array, or the text of the linear rule.

    Raises:
        InputError: anything else, or a value outside (0, 1].
    """
    try:
        if isinstance(value, str) and ":" in value:
            numbers = [parse_number(end, name) for end in value.split(":")]
            found: Any = value
        elif isinstance(value, str) and "," in value:
            numbers = [parse_number(part, name) for part in value.split(",")]
            found = np.asarray(numbers, np.float32)
        elif np.ndim(value):
            found = np.asarray(value, np.float32)
            numbers = list(found.ravel())
        else:
            numbers = [found := parse_number(value, name)]
    except (InputError, ValueError, TypeError) as error:
        raise InputError(f"{name}={value}: {_EXPECTED}") from error
    pair = isinstance(found, str)
    if not all(0 < n <= 1 for n in numbers) or not numbers or len(numbers) > 2 and pair:
        raise InputError(f"{name}={value}: {_EXPECTED}")
    return found


def linear(top: float, bottom: float, num_groups: int) -> np.ndarray:
    """Return (num_groups,) temperatures that go from `top` towards `bottom`.

    tau_l = top + l * (bottom - top) / num_groups for l = 0 .. num_groups - 1, so the
    coarsest group has `top` and the finest stops one step short of `bottom`. (The
    published configurations name such a schedule, but its code was never published;
    this is the only formula that the published sources contain.)
    """
    steps = np.arange(num_groups) / num_groups
    return (top + steps * (bottom - top)).astype(np.float32)


def for_groups(value: Any, num_groups: int) -> Any:
    """A checked temperature for a prior: the linear rule as numbers, lengths tested.

    Raises:
        InputError: as many numbers as the prior has no groups.
    """
    if isinstance(value, str):
        top, bottom = (parse_number(end, "temperature") for end in value.split(":"))
        return linear(top, bottom, num_groups)
    if np.shape(value) not in ((), (num_groups,)):
        raise InputError(
            f"temperature has shape {np.shape(value)}; expected one number or"
            f" {num_groups} numbers, one per latent group, the coarsest first"
        )
    return value
