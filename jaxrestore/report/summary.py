"""summary.json: what was restored, with which settings, how well."""

import dataclasses
import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore.data.files import atomic_path
from jaxrestore.errors import InputError
from jaxrestore.report.journal import JOURNALS, append, read, sources
from jaxrestore.report.shards import count_of, missing
from jaxrestore.settings import plain

_AVERAGED = (
    "psnr_observed",
    "psnr",
    "ssim_observed",
    "ssim",
    "lr_psnr",
    "apd_mse",
    "steps",
    "passes",
    "residual",
    "seconds",
)


@dataclasses.dataclass
class Summary:
    """The records of one output folder.

    A run appends a line for each image to a journal beside the summary, `records.jsonl`
    or that of its shard. A run without shards, and `merge`, make the summary of all
    journals and remove them, so that a run that was killed loses nothing.

    Attributes:
        path: The JSON file.
        header: What all images share: config, prior, versions, device.
        fingerprint: Of everything in the header that changes a result; records of
            another fingerprint are forgotten.
        records: One mapping per image, by name.
        failed: By name, with one line "error" that says why.
        shard: "0-of-4"; "" without shards.
        shards: "0-of-4" -> how many images that shard is to restore.
    """

    path: Path
    header: Mapping[str, Any]
    fingerprint: str
    records: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    failed: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    shard: str = ""
    shards: dict[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def resume(
        cls, path: Path, header: Mapping[str, Any], settings: Any, shard: str = ""
    ) -> "Summary":
        """Opens a folder's summary, keeping the records made with equal settings.

        Args:
            path: The JSON file, there or not.
            header: What all images share.
            settings: JSON-like; everything that changes a result.
            shard: "0-of-4"; "" without shards.

        Raises:
            InputError: The file is there, but no summary, or the folder holds other
                settings' shards.
        """
        summary = cls(path, header, fingerprint(settings), shard=shard)
        for file in sources(path):
            old = read(file)
            if old["fingerprint"] == summary.fingerprint:
                summary._take(old)
            elif shard:
                raise InputError(
                    f"--output={path.parent}: {file.name} there is of other settings;"
                    " shards share a folder and all settings, choose another folder"
                )
        return summary

    @classmethod
    def merge(cls, path: Path) -> "Summary":
        """The summary of all journals of a folder, written in their place.

        Raises:
            InputError: There is none, or they are of different settings.
        """
        found = {file: read(file) for file in sources(path)}
        if len({old["fingerprint"] for old in found.values()}) != 1:
            names = ", ".join(file.name for file in found) or "nothing"
            raise InputError(
                f"--output={path.parent}: holds {names}, expected results of one run or"
                " of the shards of one"
            )
        first = next(iter(found.values()))
        own = ("fingerprint", "shards", "images", "failed", "missing", "mean")
        header = {key: value for key, value in first.items() if key not in own}
        summary = cls(path, header, first["fingerprint"])
        journals = [found[file] for file in found if file != path] or [first]
        recent = {count_of(s) for old in journals for s in old.get("shards", ())}
        for old in found.values():
            summary._take(old)
            known = old.get("shards", {}).items()
            summary.shards |= {s: n for s, n in known if count_of(s) in recent}
        summary.finish()
        return summary

    def is_done(self, name: str, input_hash: str, files: list[Path]) -> bool:
        """Whether an image of this content is restored and its files are there."""
        record = self.records.get(name)
        return (
            record is not None
            and record["input_sha256"] == input_hash
            and all(file.is_file() for file in files)
        )

    @property
    def journal(self) -> Path:
        """Where this run appends its records."""
        return self.path.with_name(f"records{self.shard and '-' + self.shard}.jsonl")

    def journals(self) -> list[Path]:
        """Those of the folder."""
        return sorted(self.path.parent.glob(JOURNALS))

    def begin(self, images: int) -> None:
        """Starts the journal; the folder must be there and this run's alone.

        Args:
            images: How many this run is to restore, those done before among them.
        """
        self.shards = {self.shard or "0-of-1": images}
        if not self.shard:
            self.finish()
        append(self.journal, self._head())

    def add(self, record: dict[str, Any]) -> None:
        """Records an image."""
        self._append(record, self.records, self.failed)

    def fail(self, name: str, reason: str) -> None:
        """Records that an image could not be restored."""
        self._append({"name": name, "error": reason}, self.failed, self.records)

    def missing(self) -> list[str]:
        """What shards have not done yet, a line for each."""
        return missing(self.shards, [*self.records, *self.failed])

    def finish(self) -> None:
        """Writes the summary in place of all journals; a shard's run leaves them."""
        if self.shard:
            return
        self.write()
        for file in self.journals():
            file.unlink()

    def means(self) -> dict[str, float]:
        """Means over the images of the numbers that are known for each."""
        result = {}
        for key in _AVERAGED:
            values = [record.get(key) for record in self.records.values()]
            values = [v for v in values if isinstance(v, (int, float))]  # "inf" is text
            if values:
                result[key] = float(np.mean(values))
        return result

    def write(self) -> None:
        """Writes the file, complete or not at all."""
        content = {
            **self._head(),
            "images": [self.records[name] for name in sorted(self.records)],
            "failed": [self.failed[name] for name in sorted(self.failed)],
            "missing": self.missing(),
            "mean": self.means(),
        }
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")

    def _head(self) -> dict[str, Any]:
        """What a journal begins with."""
        own = {"fingerprint": self.fingerprint, "shards": self.shards}
        return {**plain(self.header), **own}

    def _append(self, entry: dict[str, Any], to: dict, other: dict) -> None:
        """Keeps an entry in one of `records` and `failed`, and in the journal."""
        if not self.journal.exists():  # `merge` took it, where nothing can be locked
            append(self.journal, self._head())
        name, now = entry["name"], datetime.now(UTC)
        other.pop(name, None)
        to[name] = plain(entry) | {"finished": now.isoformat(timespec="microseconds")}
        append(self.journal, to[name])

    def _take(self, old: Mapping[str, Any]) -> None:
        """Adds what another file records; of equal names the latest counts."""
        kinds = (self.records, self.failed), (self.failed, self.records)
        for entries, (to, other) in zip(
            (old["images"], old["failed"]), kinds, strict=True
        ):
            for entry in entries:
                name = entry["name"]
                known = to.get(name) or other.get(name) or {}
                if entry.get("finished", "") >= known.get("finished", ""):
                    other.pop(name, None)
                    to[name] = entry


def fingerprint(settings: Any) -> str:
    """SHA-256 of a JSON-like value, the same for equal values."""
    text = json.dumps(plain(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def array_hash(*arrays: Any) -> str:
    """SHA-256 of arrays: their shapes, types and values."""
    digest = hashlib.sha256()
    for array in map(np.asarray, arrays):
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what computes."""
    from importlib.metadata import version

    names = ("jaxrestore", "jax", "jaxlib", "flax", "optax", "numpy")
    return {"python": platform.python_version(), **{n: version(n) for n in names}}


def device() -> str:
    """What it runs on, in words."""
    import os

    import jax

    devices = jax.devices()
    text = f"{len(devices)} x {devices[0].device_kind}"
    return f"{text} ({os.cpu_count()} cores)" if devices[0].platform == "cpu" else text
