"""One image over several devices: each has some of its rows."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxrestore.errors import InputError

ROWS = "rows"


def rows_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Devices that share the rows of an image; None: all there are."""
    found = np.asarray(jax.devices() if devices is None else devices)
    return Mesh(found, (ROWS,), axis_types=(AxisType.Auto,))


@contextlib.contextmanager
def shared_rows(mesh: Mesh | None) -> Iterator[None]:
    """Within, programs are traced for images whose rows the mesh's devices share."""
    if mesh is None:
        yield
        return
    with jax.set_mesh(mesh):
        yield


def sharers() -> int:
    """How many devices share the rows of images where this is traced; 1: none do."""
    return jax.sharding.get_abstract_mesh().shape.get(ROWS, 1)


def sharding(leaf: Any, mesh: Mesh) -> NamedSharding:
    """By rows for what has the three axes of an image and rows enough, else whole."""
    rows = len(leaf.shape) == 3 and leaf.shape[0] % mesh.size == 0
    return NamedSharding(mesh, PartitionSpec(ROWS) if rows else PartitionSpec())


def by_rows(images: Any, mesh: Mesh | None) -> Any:
    """Put a pytree of images (H, W, C), numbers and None on the mesh.

    Args:
        images: such as an observation.
        mesh: of `rows_mesh`; None: they go where arrays go.

    Raises:
        InputError: a height that the devices cannot share evenly.
    """
    if mesh is None:
        return jax.device_put(images)
    for leaf in jax.tree.leaves(images):
        if np.ndim(leaf) == 3 and leaf.shape[0] % mesh.size:
            raise InputError(
                f"mesh: an array of {leaf.shape[0]} rows does not split over"
                f" {mesh.size} devices, expected a multiple; crop the image, or take"
                " fewer devices"
            )
    return jax.tree.map(lambda a: jax.device_put(a, sharding(a, mesh)), images)


def whole(tree: Any, mesh: Mesh | None) -> Any:
    """Put a pytree of arrays on each device of the mesh; None: where arrays go."""
    place = None if mesh is None else NamedSharding(mesh, PartitionSpec())
    return jax.device_put(tree, place)
