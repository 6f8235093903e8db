"""Priors in files: safetensors with the configuration and provenance in the header."""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from jaxrestore.data.files import atomic_path
from jaxrestore.errors import InputError
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.parameters import flatten, unflatten
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
    arrays = {
        name: np.asarray(value, np.dtype(dtype), order="C")
        for name, value in flatten(jax.device_get(prior.params)).items()
    }
    with atomic_path(path) as partial:
        partial.write_bytes(save(arrays, metadata=header))
    return sha256(path)


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def resolve(name_or_path: str | Path) -> tuple[Path, str | None]:
    """File of a bundled name or a path, and the SHA-256 it must have (None: any)."""
    if str(name_or_path) in BUNDLED:
        filename, digest = BUNDLED[str(name_or_path)]
        return Path(str(resources.files("jaxrestore") / "weights" / filename)), digest
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
            SHA-256 differs, an architecture or shapes that do not fit.
    """
    path, digest = resolve(name_or_path)
    if digest is not None and sha256(path) != digest:
        raise InputError(
            f"prior={str(name_or_path)!r}: {path.name} does not have the recorded "
            "SHA-256, the file is damaged; install jaxrestore again"
        )
    header, arrays = _read(path)
    kind, config_kind = ARCHITECTURES.get(header.get("architecture", ""), (None, None))
    if kind is None or config_kind is None or "config" not in header:
        raise InputError(
            f"prior={str(path)!r}: architecture {header.get('architecture')!r} is "
            f"unknown, expected one of {', '.join(ARCHITECTURES)}; export the weights "
            "with train.py --export"
        )
    config = config_kind.from_dict(json.loads(header["config"]))
    _check_shapes(path, kind, config, arrays)
    params = {name: jnp.asarray(a, jnp.float32) for name, a in arrays.items()}
    return kind(unflatten(params), config)


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
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"prior={str(path)!r}: not a readable .safetensors file "
            f"({str(error).splitlines()[0]}); export or copy it again"
        ) from error


def _check_shapes(path: Path, kind: Any, config: Any, arrays: dict) -> None:
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    expected = flatten(jax.eval_shape(lambda k: kind.create(config, k), key).params)
    for name in sorted(expected.keys() | arrays.keys()):
        has = arrays[name].shape if name in arrays else "nothing"
        wants = expected[name].shape if name in expected else "nothing"
        if has != wants:
            raise InputError(
                f"prior={str(path)!r}: parameter {name} has shape {has}, its config "
                f"expects {wants}; the file belongs to another architecture"
            )
