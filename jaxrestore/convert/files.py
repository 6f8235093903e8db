"""Checkpoint files of others: read without running their code, written whole."""

import io
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore.data.files import atomic_path
from jaxrestore.errors import InputError

# Of a checkpoint that holds more than one set of weights, the first of these.
SECTIONS = ("ema_model_state_dict", "model_state_dict", "state_dict")


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Tensors by name, from a torch file (.pt, .pth, .th ...) or an .npz archive.

    Args:
        path: a state_dict, or a checkpoint with one under a name of `SECTIONS`.

    Raises:
        InputError: missing, damaged, holds code or something else than tensors, or
            is a torch file where torch is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"source={str(path)!r}: no such file; expected a checkpoint")
    return _read_npz(path) if path.suffix == ".npz" else _read_torch(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise _unreadable(path, error) from error


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    torch = _torch(f"source={str(path)!r}")
    try:
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a forged or damaged pickle raises has no bounds
        raise _unreadable(path, error) from error
    content = _weights(path, content)
    arrays = {}
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(
                f"source={str(path)!r}: {name} is a {type(value).__name__}, expected "
                f"tensors alone, or a dict with one of {', '.join(SECTIONS)}"
            )
        value = value.detach()
        arrays[name] = (value.float() if value.is_floating_point() else value).numpy()
    return arrays


def _weights(path: Path, content: Any) -> Mapping[str, Any]:
    if isinstance(content, Mapping):
        for section in SECTIONS:
            if isinstance(content.get(section), Mapping):
                return content[section]
        return content
    raise InputError(
        f"source={str(path)!r}: holds a {type(content).__name__}, expected a state_dict"
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return InputError(
        f"source={str(path)!r}: not readable as tensors alone, it is damaged or would "
        f"run code ({reason}); expected a state_dict, copy or save it again"
    )


def _torch(what: str) -> Any:
    try:
        import torch  # type: ignore[import-not-found]
    except ImportError as error:
        raise InputError(
            f"{what}: needs PyTorch, which is not installed; pip install torch, or "
            "save the tensors with numpy.savez and pass the .npz"
        ) from error
    return torch


def write_torch(
    arrays: Mapping[str, np.ndarray], sections: tuple[str, ...], path: str | Path
) -> None:
    """Write tensors with ``torch.save``; the file appears whole or not at all.

    Args:
        arrays: tensors by name.
        sections: names under which the original code looks for them; none for a
            plain state_dict.
        path: file to write.

    Raises:
        InputError: torch is not installed, or the file cannot be written.
    """
    torch = _torch(f"out={str(path)!r}")
    content: Any = {k: torch.from_numpy(np.array(v)) for k, v in arrays.items()}
    if sections:
        content = dict.fromkeys(sections, content)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic_path(path) as partial:
        partial.write_bytes(buffer.getvalue())
