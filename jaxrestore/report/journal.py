"""Journals: a line for each image beside summary.json, appended while a run lasts.

Each run that goes on with a journal writes its header, and of two the latter counts.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxrestore.errors import InputError

JOURNALS = "records*.jsonl"


def append(journal: Path, entry: Mapping[str, Any]) -> None:
    """Adds one line by one write, behind whatever a killed run left unfinished.

    Raises:
        InputError: The system refuses to write.
    """
    line = json.dumps(entry, allow_nan=False) + "\n"
    try:
        with open(journal, "ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else "\n" + line
            file.write(line.encode())
    except OSError as error:
        raise InputError(
            f"{journal}: cannot write the file ({error.strerror or error}); expected a"
            " writable folder with free space"
        ) from error


def sources(path: Path) -> list[Path]:
    """The summary, where there is one, then the journals beside it."""
    return [path] * path.exists() + sorted(path.parent.glob(JOURNALS))


def read(file: Path) -> dict[str, Any]:
    """Fingerprint, header, "images" and "failed" of a summary or journal.

    Raises:
        InputError: It is none of them.
    """
    try:
        text = file.read_text()
        old = _replayed(text) if file.suffix == ".jsonl" else json.loads(text)
        _ = old["fingerprint"], [record["name"] for record in old["images"]]
        old.setdefault("failed", [])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"--output={file.parent}: {file.name} there is not a summary of an"
            " earlier run; remove it or choose another folder"
        ) from error
    return old


def _replayed(text: str) -> dict[str, Any]:
    """A journal's lines, headers among them; what a kill cut short is left out."""
    header: dict[str, Any] = {}
    images: dict[str, Any] = {}
    failed: dict[str, Any] = {}
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            if "fingerprint" in entry:
                header = entry
                continue
            name, bad = entry["name"], "input_sha256" not in entry
        except (ValueError, KeyError, TypeError):
            continue
        images.pop(name, None)
        failed.pop(name, None)
        (failed if bad else images)[name] = entry
    lists = {"images": list(images.values()), "failed": list(failed.values())}
    return {**header, **lists}
