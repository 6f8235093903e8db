"""Numbers as users write them: 0.03, 8/255, auto, 0.8:0.6."""

import math
from typing import Any

from jaxrestore.errors import InputError

# By the solver, from the observation (`solvers.selection.CRITERIA`; no import of it
# here: help and mistakes in flags are answered before JAX is there).
CHOSEN_TEMPERATURES = ("auto", "sure", "discrepancy")
TEMPERATURE_WORDS = ("table", *CHOSEN_TEMPERATURES)


def parse_number(value: Any, argument: str) -> float:
    """A finite number, given as one, or as text such as "0.03" or "8/255".

    Raises:
        InputError: It is neither.
    """
    try:
        over, slash, under = str(value).partition("/")
        number = float(over) / (float(under) if slash else 1)
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise InputError(
            f"{argument}={value}: not a number, expected one such as 0.03 or 8/255"
        )
    return number


def parse_level(value: Any, argument: str, *words: str) -> float | str:
    """A standard deviation in [0, 1] units, or one of the given words.

    Args:
        value: A number, "0.03", "8/255" or one of `words`.
        argument: What the user calls it, for the message.
        *words: Words that are passed through, such as "auto".

    Raises:
        InputError: It is not a number in (0, 1] nor one of the words.
    """
    if value in words:
        return value
    also = "".join(f" or {word}" for word in words)
    try:
        number = parse_number(value, argument)
    except InputError as error:
        raise InputError(f"{error}{also}") from error
    if 0 < number <= 1:
        return number
    remedy = ""
    if number > 1:
        remedy = f"; a level on the scale 0..255 is written {number:g}/255"
    elif number == 0:
        remedy = "; for an image without visible noise take 1/255"
    raise InputError(
        f"{argument}={value}: expected a standard deviation above 0 and at most 1,"
        f" in units of the white level, such as 8/255{also}{remedy}"
    )


def parse_temperature(value: Any, argument: str) -> float | list[float] | str:
    """A temperature setting.

    Args:
        value: a word, a number or "0.8", "0.8:0.6" (linear, from the coarsest group to
            the finest), "0.9,0.8,..." or a sequence (one per latent group).
        argument: What the user calls it, for the message.

    Returns:
        One of `TEMPERATURE_WORDS`, a number, a list with one number per group, or the
        text of the linear rule, whose values are in (0, 1].

    Raises:
        InputError: Anything else.
    """
    if value in TEMPERATURE_WORDS:
        return value
    try:
        if isinstance(value, str) and ":" in value:
            ends = [parse_number(end, argument) for end in value.split(":")]
            numbers, result = ends, value
            if len(ends) != 2:
                raise InputError(argument)
        elif isinstance(value, str) and "," in value:
            numbers = result = [parse_number(v, argument) for v in value.split(",")]
        elif isinstance(value, (list, tuple)):
            numbers = result = [parse_number(v, argument) for v in value]
        else:
            result = parse_number(value, argument)
            numbers = [result]
        if not numbers or not all(0 < number <= 1 for number in numbers):
            raise InputError(argument)
    except InputError as error:
        raise InputError(
            f"{argument}={value}: expected a number in (0, 1], two of them as 0.8:0.6"
            " (coarsest to finest group), one per group as 0.9,0.8,..., or one of"
            f" {', '.join(TEMPERATURE_WORDS)}"
        ) from error
    return result
