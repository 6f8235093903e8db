"""Rows of numbers as CSV, and as Markdown tables of what columns say of them."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]
Column = Callable[[Rows], str | None]  # rows of a line -> its cell, None: has none
Columns = Mapping[str, Column]  # by head


def markdown(head: Sequence[Any], body: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; floats are written as short as they are."""
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(map(_text, line))} |\n" for line in lines)


def grouped(rows: Rows, *keys: str) -> dict[tuple, list]:
    """Rows by their values of some columns, in order of appearance."""
    groups: dict[tuple, list] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def mean(rows: Rows, key: str) -> float:
    """The mean of a column."""
    return float(np.mean([row[key] for row in rows]))


def of(key: str, form: str, reduce: Callable[[np.ndarray], Any] = np.mean) -> Column:
    """A column of means, or of what else reduces the values of a line to one."""

    def column(rows: Rows) -> str | None:
        values = np.array([row[key] for row in rows if key in row])
        return f"{reduce(values):{form}}" if values.size else None

    return column


SCORES = {"PSNR": of("psnr", ".2f"), "SSIM": of("ssim", ".3f")}
SCORES |= {"LPIPS": of("lpips", ".3f")}
SECONDS = of("seconds", ".2f")


def across(rows: Rows, key: str, *parts: Column) -> Columns:
    """A column for each value of a key: what `parts` say of its rows, " / " between."""

    def column(value) -> Column:
        def cell(line: Rows) -> str:
            own = [row for row in line if row[key] == value]
            return " / ".join(text for part in parts if (text := part(own)))

        return cell

    return {f"{key} {_text(value)}": column(value) for (value,) in grouped(rows, key)}


def table(rows: Rows, keys: Sequence[str], columns: Columns) -> str:
    """A Markdown table.

    Args:
        rows: of numbers.
        keys: first columns; there is a line for each of their values.
        columns: the others; those that have no cell in the first line are left out.
    """
    lines = grouped(rows, *keys)
    first = next(iter(lines.values()))
    kept = {head: cell for head, cell in columns.items() if cell(first) is not None}
    body = [[*v, *(cell(own) for cell in kept.values())] for v, own in lines.items()]
    return markdown([*keys, *kept], body)


def as_csv(rows: Rows) -> str:
    """All rows, with the columns of all of them."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
