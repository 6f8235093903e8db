"""What a run leaves to look at: metrics.csv, TensorBoard, sheets, config.json."""

import csv
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore.data.files import atomic_path
from jaxrestore.data.images import write_png
from jaxrestore.report import charts


class Records:
    """Writes the records of one workdir; only the first process should.

    Args:
        workdir: existing folder.
        config: nested settings, written to config.json for people and for exports;
            resuming does not read it.
        step: the step that training goes on from; rows of later steps, left by a
            run that was killed, are removed.
    """

    def __init__(self, workdir: str | Path, config: Mapping[str, Any], step: int):
        self.workdir = Path(workdir)
        text = json.dumps(config, indent=2, sort_keys=True)
        _replace(self.workdir / "config.json", text + "\n")
        self._csv = self.workdir / "metrics.csv"
        rows = [row for row in _read_rows(self._csv) if int(row["step"]) <= step]
        self._columns = list(rows[0]) if rows else ["step"]
        self._rewrite(rows)
        try:
            self._board = _Board(self.workdir / "tensorboard", step)
        except ImportError:  # tensorboardX is optional
            self._board = None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one row to metrics.csv, and the same scalars to TensorBoard."""
        row = {"step": step, **{k: f"{v:.7g}" for k, v in values.items()}}
        new = [name for name in row if name not in self._columns]
        if new:
            self._columns += new
            self._rewrite(_read_rows(self._csv))
        with self._csv.open("a", newline="") as file:
            csv.DictWriter(file, self._columns, lineterminator="\n").writerow(row)
        if self._board is not None:
            self._board.write(step, values)

    def save_sheets(self, step: int, sheets: Mapping[str, np.ndarray]) -> None:
        """Write pictures (H, W, 3) in [0, 1] as sheets/step_XXXXXXX_name.png."""
        for name, picture in sheets.items():
            self._save_picture(f"step_{step:07d}_{name}", picture)

    def save_curves(self, curves: Mapping[str, Sequence[str]]) -> None:
        """Draw columns of metrics.csv against the step, sheets/curves_NAME.png.

        Args:
            curves: name -> columns; a column that is not there yet is left out.
        """
        rows = _read_rows(self._csv) if curves else []
        for name, columns in curves.items():
            series = {c: _series(rows, c) for c in columns if c in self._columns}
            self._save_picture(f"curves_{name}", charts.curves(series, "step", name))

    def close(self) -> None:
        """Close the TensorBoard file."""
        if self._board is not None:
            self._board.close()

    def _save_picture(self, name: str, picture: np.ndarray) -> None:
        folder = self.workdir / "sheets"
        folder.mkdir(exist_ok=True)
        write_png(folder / f"{name}.png", picture)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        cells = [[row.get(name) or "" for name in self._columns] for row in rows]
        lines = [",".join(row) + "\n" for row in [self._columns, *cells]]
        _replace(self._csv, "".join(lines))


def _replace(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def _read_rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    # A kill in the middle of a write can leave half a last line.
    return [r for r in rows if (r["step"] or "").isdigit() and None not in r.values()]


def _series(rows: list[dict[str, str]], column: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of the rows that have this column."""
    known = [(int(r["step"]), float(r[column])) for r in rows if r.get(column)]
    steps, values = np.asarray(known).reshape(-1, 2).T
    return steps, values


class _Board:
    """Scalars for TensorBoard, written at once.

    Not tensorboardX's own SummaryWriter: that one writes from a thread, where a full
    disk ends in tracebacks nobody can catch.
    """

    def __init__(self, folder: Path, step: int):
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2, summary_pb2

        folder.mkdir(exist_ok=True)
        # Made from protocol buffers at import, unknown to type checkers.
        events: Any = event_pb2
        summaries: Any = summary_pb2
        self._event, self._summary = events.Event, summaries.Summary
        self._writer = EventsWriter(str(folder / "events"))
        # Tells TensorBoard to forget what a killed run wrote after this step.
        start = events.SessionLog(status=events.SessionLog.START)
        self._write(step=step + 1, session_log=start)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        scalars = [
            self._summary.Value(tag=name, simple_value=value)
            for name, value in values.items()
        ]
        self._write(step=step, summary=self._summary(value=scalars))

    def _write(self, **fields: Any) -> None:
        self._writer.write_event(self._event(wall_time=time.time(), **fields))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
