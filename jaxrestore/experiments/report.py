"""The three files of an experiment: NAME.csv, NAME.png, NAME.md."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jaxrestore.data.files import atomic_path, make_folder
from jaxrestore.experiments.flags import plain
from jaxrestore.experiments.tables import as_csv
from jaxrestore.priors.weights import resolve, sha256
from jaxrestore.report import summary


class Report:
    """Writes what an experiment found; every file is whole or not there.

    Args:
        out: folder to write to, made where missing.
        flags: the command line, parsed.

    Attributes:
        folder: where to write.
        picture: NAME.png, for the experiment to draw into.

    Raises:
        InputError: the folder cannot be written to.
    """

    def __init__(self, out: Path, flags: argparse.Namespace):
        self.folder = make_folder(out, "--out")
        self._flags = flags
        self._prior = _prior(getattr(flags, "prior", None))
        self._written: list[Path] = []
        self.picture = self.file(".png")

    def file(self, ending: str) -> Path:
        """OUT/NAME + ending, for a file that the experiment writes itself."""
        path = self.folder / f"{self._flags.name}{ending}"
        self._written.append(path)
        return path

    def say(self, text: str) -> None:
        """A line on standard error that leaves a progress bar whole."""
        tqdm.write(text, file=sys.stderr)

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes NAME.csv, anew at each call: of a stopped run, what was done."""
        write(self.folder / f"{self._flags.name}.csv", as_csv(rows))

    def table(self, text: str, settings: Mapping[str, Any] | None = None) -> None:
        """Writes NAME.md and prints the table.

        Args:
            text: Markdown, the table with what must be said about it.
            settings: what the run chose by itself, JSON-like.
        """
        print(text)
        notes = self._provenance(settings or {})
        write(self.folder / f"{self._flags.name}.md", f"{text}\n{notes}")

    def finish(self) -> None:
        """Names the files on standard output."""
        name = self._flags.name
        places = [
            self.folder / f"{name}.csv",
            *self._written,
            self.folder / f"{name}.md",
        ]
        print(f"Files: {' '.join(map(str, places))}")

    def _provenance(self, settings: Mapping[str, Any]) -> str:
        versions = summary.versions()
        names = ("jaxrestore", "jax", "flax", "optax", "python")
        lines = [
            f"    {self._flags.command}",
            "",
            *(["- **--quick**: a smoke test, not a result"] * self._flags.quick),
            f"- flags: `{json.dumps(plain(self._flags), default=str)}`",
            *([f"- settings: `{json.dumps(settings)}`"] if settings else []),
            f"- prior: {self._prior}",
            f"- seed: {self._flags.seed}",
            f"- versions: {', '.join(f'{n} {versions[n]}' for n in names)}",
            f"- device: {summary.device()}",
        ]
        return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Writes a file that is complete or not there."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def _prior(name: str | None) -> str:
    """Name and hash, before anything is computed: a mistake in it is known at once."""
    if name in (None, "none"):
        return "none"
    return f"{name}, SHA-256 {sha256(resolve(str(name))[0])}"
