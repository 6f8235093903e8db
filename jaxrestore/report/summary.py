"""summary.json: what was restored, with which settings, how well."""

import dataclasses
import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore.data.files import atomic_path
from jaxrestore.errors import InputError
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
    """The records of one output folder, written anew after each image.

    Attributes:
        path: The JSON file.
        header: What all images share: config, prior, versions, device.
        fingerprint: Of everything in the header that changes a result; records of
            another fingerprint are forgotten.
        records: One mapping per image, by name.
        failed: name -> one line that says why.
    """

    path: Path
    header: Mapping[str, Any]
    fingerprint: str
    records: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    failed: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def resume(cls, path: Path, header: Mapping[str, Any], settings: Any) -> "Summary":
        """Opens a folder's summary, keeping the records made with equal settings.

        Args:
            path: The JSON file, there or not.
            header: What all images share.
            settings: JSON-like; everything that changes a result.

        Raises:
            InputError: The file is there, but no summary.
        """
        summary = cls(path, header, fingerprint(settings))
        if not path.exists():
            return summary
        try:
            old = json.loads(path.read_text())
            same = old["fingerprint"] == summary.fingerprint
            records = {record["name"]: record for record in old["images"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"--output={path.parent}: {path.name} there is not a summary of an"
                " earlier run; remove it or choose another folder"
            ) from error
        if same:
            summary.records = records
        return summary

    def is_done(self, name: str, input_hash: str, files: list[Path]) -> bool:
        """Whether an image of this content is restored and its files are there."""
        record = self.records.get(name)
        return (
            record is not None
            and record["input_sha256"] == input_hash
            and all(file.is_file() for file in files)
        )

    def add(self, record: dict[str, Any]) -> None:
        """Records an image and writes the file."""
        self.failed.pop(record["name"], None)
        self.records[record["name"]] = plain(record)
        self.write()

    def fail(self, name: str, reason: str) -> None:
        """Records that an image could not be restored and writes the file."""
        self.records.pop(name, None)
        self.failed[name] = reason
        self.write()

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
            **plain(self.header),
            "fingerprint": self.fingerprint,
            "images": [self.records[name] for name in sorted(self.records)],
            "failed": [{"name": n, "error": e} for n, e in sorted(self.failed.items())],
            "mean": self.means(),
        }
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


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
