"""Config files: Python files with `get_config()`, found by path or by name."""

import importlib.resources
import runpy
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jaxrestore.errors import InputError


def load_config(name: str, kind: str) -> dict[str, Any]:
    """What a config file sets, as nested dicts.

    Args:
        name: a path or a bare name, with ":ARGUMENT" behind it what `get_config` takes.
        kind: of the bundled configs, "solve" or "train".

    Raises:
        InputError: no such file, or it fails in whatever way; one line says where.
    """
    file, colon, argument = name.partition(":")
    path = find(file, kind)
    try:
        module = SimpleNamespace(**runpy.run_path(str(path)))
        config = module.get_config(*([argument] if colon else []))
    except (Exception, SystemExit) as error:
        raise InputError(f"--config={name}: {_reason(error, path)}") from error
    if not hasattr(config, "keys"):
        raise InputError(
            f"--config={name}: get_config() returned {config!r:.100}, expected a dict"
            f" of settings such as those of configs/{kind} have"
        )
    return nested(config)


def find(name: str, kind: str) -> Path:
    """The config file of a path or of the bare name of a bundled config.

    Raises:
        InputError: there is none.
    """
    folder = _folder(kind)
    # The last one: "configs/solve/x.py" from any folder.
    for path in (Path(name), folder / f"{name}.py", folder.parents[1] / name):
        if path.is_file() and path.suffix == ".py":
            return path
    raise InputError(
        f"--config={name}: no such config file, expected the path of a .py file or one"
        f" of {', '.join(config_names(kind))}"
    )


def is_bundled(name: str, kind: str) -> bool:
    """Whether `find` takes a config of the package's own, by whatever name."""
    return (
        find(name.partition(":")[0], kind).resolve().parent == _folder(kind).resolve()
    )


def config_names(kind: str) -> list[str]:
    """Bare names of the bundled configs of a kind."""
    names = sorted(path.stem for path in _folder(kind).glob("*.py"))
    return [name for name in names if not name.startswith("_")]


def nested(values: Any) -> dict[str, Any]:
    """Mappings of any kind, inside one another, as dicts of their own."""
    return {
        str(key): nested(values[key]) if hasattr(values[key], "keys") else values[key]
        for key in values.keys()  # noqa: SIM118
    }


def merged(values: Mapping[str, Any], dotted: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested `values` with settings replaced, {"data.train": "DIR", ...}."""
    result = nested(values)
    for name, value in dotted.items():
        *sections, last = name.split(".")
        inner = result
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                raise InputError(f"config.{section}={inner!r}: expected a section")
        inner[last] = value
    return result


def _folder(kind: str) -> Path:
    return Path(str(importlib.resources.files("jaxrestore.configs"))) / kind


def _reason(error: BaseException, path: Path) -> str:
    """ "file.py:3: NameError: ..." with the last line of the file that was reached."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    where = f"{path}:{line}" if line else str(path)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    text = " ".join(text.split())[:200]
    return f"{where}: {type(error).__name__}: {text or 'no message'}; mend the file"
