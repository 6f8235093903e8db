"""Rows of numbers as CSV and as Markdown tables of their means."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]
Forms = Mapping[str, str]  # column -> how its numbers are written, such as ".2f"

SCORES = {"psnr": ".2f", "ssim": ".3f", "lpips": ".3f", "seconds": ".2f"}


def markdown(head: Sequence[Any], body: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; numbers must be formatted already."""
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def grouped(rows: Rows, *keys: str) -> dict[tuple, list]:
    """Rows by their values of some columns, in order of appearance."""
    groups: dict[tuple, list] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def mean(rows: Rows, key: str) -> float:
    """The mean of a column."""
    return float(np.mean([row[key] for row in rows]))


def means(rows: Rows, forms: Forms) -> list[str]:
    """The means, as text, of those columns that the rows have."""
    return [f"{mean(rows, k):{form}}" for k, form in forms.items() if k in rows[0]]


def mean_table(rows: Rows, keys: Sequence[str], forms: Forms, names: Forms) -> str:
    """Means of columns, a line for each value of the keys.

    Args:
        rows: of numbers.
        keys: first columns.
        forms: the other columns; those that no row has are left out.
        names: heads of the columns, where they are not the keys themselves.
    """
    columns = [*keys, *(key for key in forms if key in rows[0])]
    body = [[*g, *means(own, forms)] for g, own in grouped(rows, *keys).items()]
    return markdown([names.get(key, key) for key in columns], body)


def pivot(rows: Rows, line: str, column: str, forms: Forms) -> dict[Any, dict]:
    """line -> column -> "mean / mean", the means of `forms`."""
    table: dict[Any, dict] = {}
    for (name, head), own in grouped(rows, line, column).items():
        table.setdefault(name, {})[head] = " / ".join(means(own, forms))
    return table


def scores_table(rows: Rows, caption: str, column: str) -> str:
    """Mean PSNR / SSIM / seconds for every method and every value of `column`.

    Args:
        rows: with "method", `column`, "psnr", "ssim", "seconds" and, for a further
            number in each cell, "lpips".
        caption: what was measured, above the table.
        column: the key, such as "noise".
    """
    lpips = "LPIPS / " * ("lpips" in rows[0])
    heads = list(dict.fromkeys(row[column] for row in rows))
    found = pivot(rows, "method", column, SCORES)
    body = [[name, *(of.get(h, "") for h in heads)] for name, of in found.items()]
    head = ["method", *(f"{column} {value}" for value in heads)]
    unit = f"mean PSNR (dB) / SSIM / {lpips}seconds an image"
    return f"{caption}; {unit}\n\n{markdown(head, body)}"


def as_csv(rows: Rows) -> str:
    """All rows, with the columns of all of them."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
