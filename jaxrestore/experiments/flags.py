"""Flags that experiments share, and how lists and numbers in them are written."""

import argparse
from typing import Any

from jaxrestore.errors import InputError


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the text's lines and tells each flag's default."""

    def _get_help_string(self, action):
        text = action.help or ""
        default = action.default
        if default is None or default is False or default == argparse.SUPPRESS:
            return text
        shown = ",".join(map(str, default)) if isinstance(default, list) else default
        return f"{text} [{str(shown).replace('%', '%%')}]"


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one line.

    Args:
        program: how the command is called.
        text: what `--help` prints above the flags.
    """

    def __init__(self, program: str, text: str | None):
        super().__init__(
            prog=program,
            description=text,
            formatter_class=_Help,
            allow_abbrev=False,
        )

    def error(self, message: str):
        """Raise the mistake instead of printing the usage and leaving."""
        raise InputError(f"{message}; see {self.prog} --help")


class Unusable(argparse.ArgumentTypeError, ValueError):
    """A value that a flag cannot take; argparse shows its text."""


def add_common(parser: argparse.ArgumentParser) -> None:
    """The flags of every experiment."""
    add = parser.add_argument
    add("--images", required=True, help="folder of clean test images")
    add("--out", required=True, help="folder to write to")
    add("--prior", default="patch-vdvae-natural", help="bundled name or file")
    add("--seed", type=whole, default=0, help="of noise, crops and masks")
    add("--max_images", type=whole, default=0, help="of --images; 0: all")
    add("--crop", type=whole, default=0, help="central square; 0: all")
    add("--quick", action="store_true", help="seconds, on few small images")


def add_validation(
    parser: argparse.ArgumentParser, count: int, crop: int, required: bool = True
) -> None:
    """Images that settings are chosen on."""
    add = parser.add_argument
    add("--val", required=required, help="folder of images that settings are chosen on")
    add("--val_images", type=whole, default=count, help="of --val; 0: all")
    add("--val_crop", type=whole, default=crop, help="as --crop, of --val")


def whole(text: str) -> int:
    """A whole number from 0 on."""
    value = int(text)
    if not 0 <= value < 2**31:
        raise Unusable(f"{text}: expected a whole number from 0 on")
    return value


def count(text: str) -> int:
    """A whole number from 1 on."""
    if (value := whole(text)) < 1:
        raise Unusable(f"{text}: expected a whole number from 1 on")
    return value


def number(text: str) -> float:
    """A finite number from 0 on."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise Unusable(f"{text}: expected a finite number from 0 on")
    return value


def positive(text: str) -> float:
    """A finite number above 0."""
    if (value := number(text)) == 0:
        raise Unusable(f"{text}: expected a number above 0")
    return value


def words(text: str) -> list[str]:
    """Comma-separated words."""
    return [word for word in text.split(",") if word]


def numbers(text: str) -> list[float]:
    """Comma-separated numbers from 0 on."""
    return [number(word) for word in words(text)]


def counts(text: str) -> list[int]:
    """Comma-separated whole numbers from 1 on."""
    return [count(word) for word in words(text)]


def maybe_numbers(text: str) -> list[float | None]:
    """Comma-separated numbers, or "none"."""
    return [None if word == "none" else number(word) for word in words(text)]


def temperatures(text: str) -> list[float]:
    """Comma-separated temperatures in (0, 1]."""
    values = numbers(text)
    if not values or not all(0 < value <= 1 for value in values):
        raise Unusable(f"{text}: expected numbers in (0, 1]")
    return values


def plain(flags: argparse.Namespace) -> dict[str, Any]:
    """The flags as the configuration that a table ends with."""
    left_out = ("command", "name", "out", "seed", "quick")
    return {k: v for k, v in vars(flags).items() if k not in left_out}
