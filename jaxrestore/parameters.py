"""Parameters, nested dicts of arrays: flat, told apart, in safetensors files."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from jaxrestore.data.files import atomic_path
from jaxrestore.errors import InputError

# Nested dicts to one level, names joined by '/', and back.
flatten: Callable[[dict], dict[str, Any]] = partial(flatten_dict, sep="/")
unflatten: Callable[[dict], dict[str, Any]] = partial(unflatten_dict, sep="/")


def params_sha256(prior: Any) -> str:
    """Hexadecimal SHA-256 of a prior's parameters, whatever file they came from."""
    digest = hashlib.sha256()
    for name, value in sorted(flatten(jax.device_get(prior.params)).items()):
        array = np.ascontiguousarray(value, np.float32)
        digest.update(f"{name}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def write_params(
    path: str | Path, params: dict, header: Mapping[str, str], dtype: str = "float32"
) -> None:
    """Write parameters as safetensors, whole or not at all.

    Args:
        path: of the file.
        params: what to write.
        header: strings, kept as they are.
        dtype: of the file, "float32" or "float16".
    """
    arrays = {
        name: np.asarray(value, np.dtype(dtype), order="C")
        for name, value in flatten(jax.device_get(params)).items()
    }
    with atomic_path(path) as partial:
        partial.write_bytes(save(arrays, metadata=dict(header)))


def read_arrays(
    path: str | Path, what: str, remedy: str
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Header and arrays of a safetensors file.

    Args:
        path: of the file.
        what: what the user calls it, for messages.
        remedy: what to do about a file that cannot be read.

    Raises:
        InputError: missing, damaged, of another format or of unknown numbers.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        raise InputError(
            f"{what}: not a readable .safetensors file ({str(error).splitlines()[0]});"
            f" {remedy}"
        ) from error


def config_in(header: Mapping[str, str], what: str, remedy: str) -> Any:
    """The "config" of a header.

    Raises:
        InputError: there is none, or it is not JSON.
    """
    try:
        return json.loads(header["config"])
    except (KeyError, ValueError) as error:
        reason = "no config" if "config" not in header else "a config that is not JSON"
        raise InputError(f"{what}: its header has {reason}; {remedy}") from error


def from_arrays(
    arrays: Mapping[str, np.ndarray], kind: Any, config: Any, what: str
) -> Any:
    """The instance of a kind that a file's arrays make.

    Args:
        arrays: by name.
        kind: class with `create(config, key)`, whose fields are params and config.
        config: of the instance.
        what: what the user calls the file, for messages.

    Raises:
        InputError: a name or a shape is not the config's, or a value no real number.
    """
    expected = shapes_of(kind, config)
    for name in sorted(expected.keys() | arrays.keys()):
        has = arrays[name].shape if name in arrays else "nothing"
        wants = expected.get(name, "nothing")
        if has != wants:
            raise InputError(
                f"{what}: parameter {name} has shape {has}, its config expects {wants};"
                " the file belongs to another architecture"
            )
    # Not `jnp.asarray`, which compiles a program for every shape.
    params = {
        name: jax.device_put(real(array, f"{what}: parameter {name}"))
        for name, array in arrays.items()
    }
    return kind(unflatten(params), config)


def shapes_of(kind: Any, config: Any) -> dict[str, tuple[int, ...]]:
    """Shapes, by name, of the parameters that `kind.create(config, key)` makes."""
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    params = jax.eval_shape(lambda k: kind.create(config, k), key).params
    return {name: leaf.shape for name, leaf in flatten(params).items()}


def real(array: np.ndarray, what: str) -> np.ndarray:
    """An array in float32.

    Raises:
        InputError: text, objects, complex numbers, or values that are not finite there.
    """
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise InputError(
            f"{what} is of type {array.dtype}, expected real numbers; take another file"
        )
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise InputError(
            f"{what} holds NaN, infinite values or some beyond float32; take another"
            " file"
        )
    return values
