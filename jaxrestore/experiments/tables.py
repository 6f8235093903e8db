"""Rows of numbers as CSV and as Markdown tables."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def scores_table(rows, caption, column, columns, methods) -> str:
    """Mean PSNR / SSIM / seconds for every method and every value of `column`.

    Args:
        rows: with "method", `column`, "psnr", "ssim", "seconds" and, for a further
            number in each cell, "lpips".
        caption: what was measured, above the table.
        column: the key, such as "noise"; `columns` its values in order.
        methods: in order; those without rows are left out.
    """
    lpips = any("lpips" in row for row in rows)
    unit = "mean PSNR (dB) / SSIM / " + "LPIPS / " * lpips + "seconds an image"
    body = []
    for method in methods:
        cells = []
        for value in columns:
            own = [r for r in rows if (r["method"], r[column]) == (method, value)]
            if own:
                keys = {"psnr": ".2f", "ssim": ".3f", "lpips": ".3f", "seconds": ".2f"}
                if not lpips:
                    del keys["lpips"]
                means = (f"{mean(own, key):{form}}" for key, form in keys.items())
                cells.append(" / ".join(means))
        if cells:
            body.append([method, *cells])
    head = ["method", *(f"{column} {value}" for value in columns)]
    return f"{caption}; {unit}\n\n{markdown(head, body)}"


def markdown(head: Sequence[str], body: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; numbers must be formatted already."""
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def mean(rows: Sequence[Mapping[str, Any]], key: str) -> float:
    """The mean of a column."""
    return float(np.mean([row[key] for row in rows]))


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """All rows, with the columns of all of them."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
