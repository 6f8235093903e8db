"""Scores of a run as text."""

from collections.abc import Mapping, Sequence
from typing import Any


def score_table(records: Sequence[Mapping[str, Any]]) -> str:
    """A table with one row per image, and their means below several.

    Args:
        records: As in summary.json. Scores that are None everywhere get no column.
    """
    columns = {
        "PSNR before": ("psnr_observed", "{:.2f}"),
        "after": ("psnr", "{:.2f}"),
        "SSIM before": ("ssim_observed", "{:.3f}"),
        "after ": ("ssim", "{:.3f}"),
        "LR-PSNR": ("lr_psnr", "{:.1f}"),
        "APD": ("apd_mse", "{:.5f}"),
        "noise": ("noise_std", "{:.3f}"),
        "steps": ("steps", "{:.0f}"),
        "passes": ("passes", "{:.0f}"),
        "seconds": ("seconds", "{:.1f}"),
        "status": ("status", "{}"),
    }
    known = {
        title: column
        for title, column in columns.items()
        if any(record.get(column[0]) is not None for record in records)
    }
    rows = [["image", *map(str.strip, known)]]
    for record in records:
        cells = ((record.get(key), form) for key, form in known.values())
        line = ["-" if v is None else form.format(v) for v, form in cells]
        rows.append([record["name"], *line])
    if len(records) > 1:
        rows.append(["mean", *(_mean(records, k, f) for k, f in known.values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index in (0, len(row) - 1) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _mean(records: Sequence[Mapping[str, Any]], key: str, form: str) -> str:
    values = [record[key] for record in records if record.get(key) is not None]
    if not values or isinstance(values[0], str):
        return ""
    return form.format(sum(values) / len(values))
