"""The three files of an experiment: NAME.csv, NAME.png, NAME.md."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrestore.data.files import atomic_path, make_folder
from jaxrestore.evaluation.tables import as_csv
from jaxrestore.priors.weights import resolve, sha256
from jaxrestore.report import summary
from jaxrestore.settings import as_dict, plain


class Report:
    """Writes what an experiment found; every file is whole or not there.

    Args:
        name: of the experiment, and so of its files.
        config: dataclass of its settings with `out`, `prior`, `seed` and `quick`.
        command: the command line, or how else it was called.

    Attributes:
        folder: where to write.
        picture: NAME.png, for the experiment to draw into.

    Raises:
        InputError: the folder cannot be written to, or there is no such prior.
    """

    def __init__(self, name: str, config: Any, command: str = ""):
        self._prior = _prior([config.prior, *getattr(config, "priors", ())])
        self._made = not Path(config.out).exists()
        self.folder = make_folder(config.out, "--out")
        self._name, self._config, self._command = name, config, command
        self._written: list[Path] = []
        self._notes: dict[str, None] = {}
        self.picture = self.file(".png")

    def file(self, ending: str) -> Path:
        """OUT/NAME + ending, for a file that the experiment writes itself."""
        path = self.folder / f"{self._name}{ending}"
        if path not in self._written:
            self._written.append(path)
        return path

    def give_up(self) -> None:
        """Takes the folder away again, where it was made for this and holds nothing."""
        if self._made and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes NAME.csv, anew at each call: of a stopped run, what was done."""
        write(self.file(".csv"), as_csv(rows))

    def note(self, text: str) -> None:
        """A sentence that NAME.md ends with, once; none for ""."""
        if text:
            self._notes[text] = None

    def table(
        self, caption: str, table: str, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Writes NAME.md, prints the table and names all files.

        Args:
            caption: what was measured.
            table: Markdown, with what must be said about it.
            settings: what the run chose by itself, JSON-like.
        """
        text = f"{caption}\n\n{table}"
        print(text)
        write(self.file(".md"), f"{text}\n{self._provenance(settings or {})}")
        print(f"Files: {' '.join(map(str, self._written))}")

    def _provenance(self, settings: Mapping[str, Any]) -> str:
        versions = summary.versions()
        names = ("jaxrestore", "jax", "flax", "optax", "python")
        left_out = ("out", "seed", "quick")
        given = as_dict(self._config).items()
        flags = {name: value for name, value in given if name not in left_out}
        lines = [
            f"    {self._command}",
            "",
            *(["- **--quick**: a smoke test, not a result"] * self._config.quick),
            f"- flags: `{json.dumps(flags)}`",
            *([f"- settings: `{json.dumps(plain(settings))}`"] if settings else []),
            *(f"- {note}" for note in self._notes),
            f"- prior: {self._prior}",
            f"- seed: {self._config.seed}",
            f"- versions: {', '.join(f'{n} {versions[n]}' for n in names)}",
            f"- device: {summary.device()}",
        ]
        return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Writes a file that is complete or not there."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def _prior(names: Sequence[str]) -> str:
    """Names and hashes, before anything is computed: mistakes are known at once."""
    parts = [f"{n}, SHA-256 {sha256(resolve(n)[0])}" for n in names if n != "none"]
    return "; ".join(parts) or "none"
