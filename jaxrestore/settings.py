"""Settings: fields of dataclasses, written once, checked once, given in many ways.

A setting is a dataclass field with a check. The check takes a value as Python code,
config files and command lines write it (0.03, "8/255", "auto"), and returns it as the
program uses it or raises `InputError`. Solvers, configurations and experiments are
such dataclasses, so that names, defaults and messages are the same everywhere.
"""

import ast
import difflib
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, asdict, field, fields
from typing import Any, TypeVar

from jaxrestore.errors import InputError

Check = Callable[[Any, str], Any]  # (value, name) -> value
T = TypeVar("T")


def setting(default: Any, check: Check, text: str = "", **more: Any) -> Any:
    """A field with a check; in a pytree its value is a leaf.

    Args:
        default: of the field; an argument like any other, so it must pass the check.
        check: see `Check`.
        text: what `--help` says.
        **more: metadata of the field.
    """
    return field(default=default, metadata={"check": check, "text": text, **more})


def static(default: Any, check: Check, text: str = "") -> Any:
    """As `setting`; in a pytree its value is part of the structure."""
    return setting(default, check, text, static=True)


def section(kind: type) -> Any:
    """A field that is a dataclass of settings itself; None: all have their defaults."""

    def check(value: Any, name: str) -> Any:
        return bind(kind, {} if value is None else value, name)

    return field(default_factory=kind, metadata={"check": check, "section": kind})


def settings_of(kind: Any) -> Iterator[Field]:
    """The fields of a dataclass that are settings."""
    return (f for f in fields(kind) if "check" in f.metadata)


def checks(kind: Any) -> dict[str, Check]:
    """The check of every setting by name.

    A dataclass without any checks, such as a network's configuration, has those of
    `like` for the defaults of its fields.
    """
    own = {f.name: f.metadata["check"] for f in settings_of(kind)}
    return own or {f.name: like(f.default) for f in fields(kind)}


def bind(kind: type[T], values: Any, name: str = "config", *models: Any) -> T:
    """A dataclass of checked settings from a mapping; what is missing has its default.

    Args:
        kind: the dataclass.
        values: a mapping, nested for sections, such as a `ConfigDict`.
        name: what the user calls it, for messages.
        *models: the first fields, which are no settings.

    Raises:
        InputError: no mapping, an unknown name, or a value that cannot be used.
    """
    if not hasattr(values, "keys"):
        raise InputError(f"{name}={values!r}: expected a section of settings")
    known = checks(kind)
    for key in values:
        if key not in known:
            raise InputError(f"{name}.{key}: {unknown(key, known)}")
    given = {key: known[key](value, f"{name}.{key}") for key, value in values.items()}
    return kind(*models, **given)


def unknown(key: str, known: Any) -> str:
    """What to say of a setting that does not exist."""
    near = difflib.get_close_matches(key, list(known), 1)
    guess = f" did you mean {near[0]}?" if near else ""
    return f"unknown setting;{guess} expected one of {', '.join(sorted(known))}"


def as_dict(config: Any) -> dict[str, Any]:
    """A dataclass of settings as nested dicts that JSON can hold."""
    return plain(asdict(config))


def plain(value: Any) -> Any:
    """A JSON-like copy: no arrays, tuples, paths or non-finite numbers.

    Infinity becomes the text "inf", which `number` reads back.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "inf" if value == math.inf else None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def leaves(kind: type, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """(dotted name, default, text) of every setting of a dataclass, with sections."""
    known = checks(kind)
    for f in fields(kind):  # type: ignore[arg-type]
        if inner := f.metadata.get("section"):
            yield from leaves(inner, f"{prefix}{f.name}.")
        elif f.name in known:
            yield prefix + f.name, f.default, f.metadata.get("text", "")


# Checks ----------------------------------------------------------------------------


def literal(value: Any, name: str = "") -> Any:
    """Text as the Python value that it spells, other text and values as they are."""
    if not isinstance(value, str):
        return value
    if value == "none":
        return None
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def parse_number(value: Any, name: str) -> float:
    """A finite number, given as one or as text such as "0.03" or "8/255".

    Raises:
        InputError: It is neither.
    """
    try:
        over, slash, under = str(value).partition("/")
        result = float(over) / (float(under) if slash else 1)
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        result = math.nan
    if not math.isfinite(result) or isinstance(value, bool):
        raise InputError(
            f"{name}={value}: not a number, expected one such as 0.03 or 8/255"
        )
    return result


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value in ("none", "None", ""))


def number(
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    infinite: bool = False,
    none: bool = False,
    remedy: str = "",
) -> Check:
    """A number from `low` (with `above`: excluded) to `high`.

    Args:
        low, high: the range.
        above: the lower end is excluded.
        infinite: inf is a value, too.
        none: None (text: "none") is a value, too.
        remedy: ends the message.
    """

    def check(value: Any, name: str) -> float | None:
        if none and _is_none(value):
            return None
        if infinite and str(value) == "inf":
            return math.inf
        result = parse_number(value, name)
        if not low <= result <= high or (above and result == low):
            least = f"above {low:g}" if above else f"from {low:g}"
            ends = least if high == math.inf else f"{least} to {high:g}"
            raise InputError(f"{name}={value}: expected a number {ends}{remedy}")
        return result

    return check


def count(low: int = 1, high: int = 2**31 - 1, *, none: bool = False) -> Check:
    """A whole number from `low` to `high`; with `none` also None."""

    def check(value: Any, name: str) -> int | None:
        if none and _is_none(value):
            return None
        found = literal(value)
        try:
            found = low - 1 if isinstance(found, bool) else operator.index(found)
        except TypeError:
            found = low - 1
        if not low <= found <= high:
            ends = f"from {low} on" if high == 2**31 - 1 else f"from {low} to {high}"
            raise InputError(f"{name}={value}: expected a whole number {ends}")
        return found

    return check


def like(default: Any) -> Check:
    """A value of the default's kind; of None: anything, text as `literal` reads it."""
    kinds = {bool: flag, int: count(0), float: number(), str: text}
    if isinstance(default, tuple) and default:
        return sequence(like(default[0]))
    return kinds.get(type(default), literal)


def choice(*names: str) -> Check:
    """One of some words."""

    def check(value: Any, name: str) -> str:
        if value not in names:
            raise InputError(f"{name}={value}: expected one of {', '.join(names)}")
        return value

    return check


def flag(value: Any, name: str) -> bool:
    """True or false."""
    words = {"true": True, "1": True, "false": False, "0": False}
    if (word := str(value).lower()) not in words:
        raise InputError(f"{name}={value}: expected true or false")
    return words[word]


def text(value: Any, name: str) -> str:
    """Any text; a path, a name."""
    if not isinstance(value, str):
        raise InputError(f"{name}={value!r}: expected text")
    return value


def sequence(check: Check, least: int = 1, length: int | None = None) -> Check:
    """A tuple of values, as a sequence or as text with commas between them.

    Args:
        check: of every value.
        least: how many there must be at least.
        length: how many there must be, None: any number.
    """

    def check_all(value: Any, name: str) -> tuple:
        if isinstance(value, str):
            value = [part.strip() for part in value.strip("()[]").split(",")]
            value = [part for part in value if part]
        if hasattr(value, "tolist"):
            value = value.tolist()
        if not isinstance(value, (list, tuple)):
            value = [value]
        if len(value) < least or (length is not None and len(value) != length):
            wanted = f"{length}" if length is not None else f"{least} or more"
            raise InputError(f"{name}={value}: expected {wanted} values")
        return tuple(check(part, name) for part in value)

    return check_all


def level(*words: str, none: str = "") -> Check:
    """A standard deviation in units of the white level, (0, 1], or one of some words.

    Args:
        *words: passed through, such as "auto".
        none: the word for None, which is a value, too; "": it is not.
    """

    def check(value: Any, name: str) -> float | str | None:
        if none and (value is None or value == none):
            return None
        if isinstance(value, str) and value in words:
            return value
        also = "".join(f" or {word}" for word in (*words, *([none] if none else [])))
        try:
            result = parse_number(value, name)
        except InputError as error:
            raise InputError(f"{error}{also}") from error
        if 0 < result <= 1:
            return result
        remedy = ""
        if result > 1:
            remedy = f"; a level on the scale 0..255 is written {result:g}/255"
        elif result == 0:
            remedy = "; for an image without visible noise take 1/255"
        raise InputError(
            f"{name}={value}: expected a standard deviation above 0 and at most 1, in"
            f" units of the white level, such as 8/255{also}{remedy}"
        )

    return check
