"""Parameters as nested dicts: flat, and told apart."""

import hashlib
from typing import Any

import jax
import numpy as np


def flatten(params: dict, prefix: str = "") -> dict[str, Any]:
    """Nested dicts to one level, names joined by '/'."""
    flat = {}
    for name, value in params.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}/")
        else:
            flat[prefix + name] = value
    return flat


def unflatten(flat: dict[str, Any]) -> dict:
    """Inverse of :func:`flatten`."""
    params: dict = {}
    for name, value in flat.items():
        *parents, last = name.split("/")
        node = params
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return params


def params_sha256(prior: Any) -> str:
    """Hexadecimal SHA-256 of a prior's parameters, whatever file they came from."""
    digest = hashlib.sha256()
    for name, value in sorted(flatten(jax.device_get(prior.params)).items()):
        array = np.ascontiguousarray(value, np.float32)
        digest.update(f"{name}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
