"""Priors in files: safetensors with the configuration and provenance in the header."""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.parameters import config_in, from_arrays, read_arrays, write_params
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.registry import ARCHITECTURES, BUNDLED


def save_prior(
    prior: Any, path: str | Path, metadata: dict[str, str], dtype: str = "float32"
) -> str:
    """Write a prior so that :func:`load_prior` reads it back.

    Args:
        prior: an instance of a registered architecture.
        path: file to write; it appears whole or not at all.
        metadata: provenance (data, steps, commit, seed, licence ...), strings.
        dtype: "float32", or "float16" for half the size.

    Returns:
        The SHA-256 of the file.
    """
    names = {kind: name for name, (kind, _) in ARCHITECTURES.items()}
    header = {
        **metadata,
        "architecture": names[type(prior)],
        "config": json.dumps(prior.config.to_dict()),
    }
    write_params(path, prior.params, header, dtype)
    return sha256(path)


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def resolve(name_or_path: str | Path) -> tuple[Path, str | None]:
    """File of a bundled name or a path, and the SHA-256 it must have (None: any)."""
    if str(name_or_path) in BUNDLED:
        folder = Path(str(resources.files("jaxrestore") / "weights"))
        return folder / f"{name_or_path}.safetensors", BUNDLED[str(name_or_path)]
    path = Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"prior={str(name_or_path)!r}: neither a bundled prior "
            f"({', '.join(sorted(BUNDLED))}) nor a file; pass one of these names or "
            "the path of a .safetensors file"
        )
    return path, None


def load_prior(name_or_path: str | Path) -> Any:
    """Load a prior by its bundled name or from a ``.safetensors`` file.

    Args:
        name_or_path: for instance ``"patch-vdvae-natural"``, or a path that
            ``train.py --export`` or :func:`save_prior` wrote.

    Returns:
        The prior, parameters in float32.

    Raises:
        InputError: unknown name, unreadable or damaged file, a bundled file whose
            SHA-256 differs, an architecture, a config or shapes that do not fit,
            weights that are no finite numbers.
    """
    path, digest = resolve(name_or_path)
    if digest is not None and sha256(path) != digest:
        raise InputError(
            f"prior={str(name_or_path)!r}: {path.name} does not have the recorded "
            "SHA-256, the file is damaged; install jaxrestore again"
        )
    header, arrays = _read(path)
    kind, config_kind = ARCHITECTURES.get(header.get("architecture", ""), (None, None))
    what, remedy = f"prior={str(path)!r}", "export the weights with train.py --export"
    if kind is None or config_kind is None:
        raise InputError(
            f"{what}: architecture {header.get('architecture')!r} is unknown, expected"
            f" one of {', '.join(ARCHITECTURES)}; {remedy}"
        )
    given = config_in(header, what, remedy)
    try:
        config = config_kind.from_dict(given)
    except InputError as error:
        raise InputError(f"{what}: {error}; {remedy}") from error
    return from_arrays(arrays, kind, config, what)


def load_encoder(name_or_path: str | Path, prior: Any, argument: str) -> LowResEncoder:
    """Load a low-resolution encoder for a prior.

    Args:
        name_or_path: as `load_prior` takes it.
        prior: what it must have been trained for.
        argument: what the user calls it, for messages.

    Raises:
        InputError: as `load_prior`, or no encoder, or one of another prior.
    """
    encoder = load_prior(name_or_path)
    if not isinstance(encoder, LowResEncoder):
        raise InputError(
            f"{argument}={name_or_path}: is a {type(encoder).__name__}, expected a"
            " low-resolution encoder such as cvdvae-faces64-x4"
        )
    encoder.check_prior(prior)
    return encoder


def read_metadata(name_or_path: str | Path) -> dict[str, str]:
    """The header of a weights file: config, data, step, commit, licence ..."""
    return _read(resolve(name_or_path)[0])[0]


def _read(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    return read_arrays(path, f"prior={str(path)!r}", "export or copy it again")
