"""Devices, processes, and where each array of the training state lives.

There is one mesh axis, "data". Batches are always split over it. Parameters are
replicated unless a rule of the config says otherwise.
"""

import re
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrestore.errors import InputError

AXIS = "data"


def make_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Devices in one line, each process's side by side; all of them by default."""
    return Mesh(np.asarray(devices or jax.devices()), (AXIS,))


def check_batch_size(batch_size: int, mesh: Mesh, name: str = "batch_size") -> None:
    """Raise InputError unless the batch splits evenly over the devices."""
    if batch_size % mesh.size:
        raise InputError(
            f"config.{name}={batch_size} does not split over {mesh.size} devices;"
            f" use a multiple of {mesh.size}"
        )


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def put_batch(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Join the processes' parts of a batch into arrays split over the mesh.

    Args:
        batch: this process's part, arrays (B / processes, ...).
        mesh: from `make_mesh`.

    Returns:
        Global arrays (B, ...).
    """
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    return {
        name: jax.make_array_from_process_local_data(sharding, part)
        for name, part in batch.items()
    }


def parameter_shardings(params: Any, rules: Sequence[Any], mesh: Mesh) -> Any:
    """Place each parameter by the first rule whose regex its path contains.

    Args:
        params: nested dicts of arrays or shapes.
        rules: ((regex, spec), ...). The path of ``params["a"]["b"]`` is "a/b". A
            spec is "replicate", "fsdp" (split the largest axis that the number of
            devices divides, or replicate) or a tuple with "data" or None per axis.
        mesh: from `make_mesh`.

    Returns:
        The same structure of NamedShardings; unmatched parameters are replicated.

    Raises:
        InputError: a rule that cannot be read, or that does not fit its parameter.
    """
    listed = rules if isinstance(rules, (tuple, list)) else [rules]
    compiled = [_compile_rule(rule) for rule in listed]

    def place(path, leaf):
        name = "/".join(str(getattr(k, "key", k)) for k in path)
        specs = (spec for pattern, spec in compiled if pattern.search(name))
        spec = next(specs, "replicate")
        return NamedSharding(mesh, _partition(spec, leaf.shape, mesh, name))

    return jax.tree_util.tree_map_with_path(place, params)


def _compile_rule(rule: Any) -> tuple[re.Pattern, Any]:
    try:
        pattern, spec = rule
        return re.compile(pattern), spec
    except (TypeError, ValueError, re.error) as e:
        raise InputError(
            f"config.sharding has the rule {rule!r}: expected (regex, 'fsdp' or"
            f" 'replicate' or a tuple of axis names); {e}"
        ) from e


def _partition(spec: Any, shape: tuple[int, ...], mesh: Mesh, name: str):
    if spec == "replicate":
        return PartitionSpec()
    if spec == "fsdp":
        sizes = [(n, i) for i, n in enumerate(shape) if n % mesh.size == 0]
        if not sizes:
            return PartitionSpec()
        axis = max(sizes)[1]
        return PartitionSpec(*(AXIS if i == axis else None for i in range(len(shape))))
    axes = tuple(spec) if not isinstance(spec, str) else (spec,)
    fits = len(axes) <= len(shape) and all(
        a is None or (a == AXIS and n % mesh.size == 0)
        for a, n in zip(axes, shape, strict=False)
    )
    if not fits:
        raise InputError(
            f"config.sharding spec {spec!r} does not fit parameter {name} of shape"
            f" {shape} on {mesh.size} devices; use None or {AXIS!r} per axis, the"
            f" split axis a multiple of {mesh.size}, or 'fsdp'"
        )
    return PartitionSpec(*axes)


def to_host(tree: Any) -> Any:
    """Whole arrays as numpy on every process (a collective call)."""
    if jax.process_count() == 1:
        return jax.device_get(tree)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(tree, tiled=True)
