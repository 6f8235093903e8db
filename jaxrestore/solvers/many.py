"""Many images in one program: `restore` under `jax.vmap`, on all devices."""

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.solvers.method import Method
from jaxrestore.solvers.restore import memory_of, restored, traced_and_static
from jaxrestore.solvers.results import Restoration
from jaxrestore.solvers.stopping import Stopping

_IMAGES = "images"


class Asked(NamedTuple):
    """What is asked of one image; see `restore`."""

    method: Method
    observation: Observation
    stopping: Stopping | None = None
    max_steps: int | None = None
    key: jax.Array | None = None
    history: bool = False

    def kind(self) -> Hashable:
        """Equal for those that `restore_many` takes together."""
        return _parts(self).kind

    @property
    def held(self) -> int:
        """Bytes of the models, which a batch has once."""
        return sum(
            np.size(a) * jnp.result_type(a).itemsize for a in _parts(self).weights
        )


def restore_many(
    asked: Sequence[Asked], size: int = 0, devices: Sequence[Any] | None = None
) -> list[Restoration]:
    """Restore images side by side, each as `restore` does.

    Every image has its own settings, stopping rules and key, stops by itself and keeps
    its own status; the batch runs until the last of them stops. Devices have equal
    numbers of images, and the weights each, and exchange nothing. One compiled program
    for each kind and size.

    Args:
        asked: of one kind.
        size: the batch is filled up to so many by repeating the first, so that batches
            of several numbers of images share a program; 0: it is not.
        devices: that share the images; None: all of this process.

    Returns:
        Restorations of NumPy arrays, in order.

    Raises:
        InputError: as `restore`; or the images are not of one kind.
    """
    parts, mesh = [_parts(one) for one in asked], _mesh(devices)
    if len({part.kind for part in parts}) != 1:
        raise InputError(
            "asked: images of different shapes, operators, methods or models have no"
            " program in common; expected those of one `Asked.kind`"
        )
    first, number = parts[0], _filled(max(size, len(asked)), mesh)
    parts += [first] * (number - len(asked))
    stacks = [_stacked(leaves) for leaves in zip(*(p.own for p in parts), strict=True)]
    weights = jax.device_put(first.weights, NamedSharding(mesh, PartitionSpec()))
    stacks = jax.device_put(stacks, NamedSharding(mesh, PartitionSpec(_IMAGES)))
    found = _together(weights, stacks, program=first.program, mesh=mesh)
    found = jax.device_get(found)
    return [jax.tree.map(lambda a, i=i: a[i], found) for i in range(len(asked))]


def memory_of_many(
    asked: Asked, size: int, devices: Sequence[Any] | None = None
) -> int:
    """Bytes on each device that `restore_many` takes for so many images like one.

    Arrays, weights and temporaries of the compiled program, which then runs; 0 where
    that is not to be had.
    """
    return memory_of(program_of_many(asked, size, devices))


def program_of_many(
    asked: Asked, size: int, devices: Sequence[Any] | None = None
) -> Any:
    """The compiled program of `restore_many` for so many images like one."""
    parts, mesh = _parts(asked), _mesh(devices)
    number = _filled(size, mesh)

    def described(shape: tuple[int, ...], leaf: Any, *axes: str):
        place = NamedSharding(mesh, PartitionSpec(*axes))
        return jax.ShapeDtypeStruct(shape, jnp.result_type(leaf), sharding=place)

    weights = [described(np.shape(leaf), leaf) for leaf in parts.weights]
    stacks = [described((number, *np.shape(a)), a, _IMAGES) for a in parts.own]
    given: Any = {"program": parts.program, "mesh": mesh}
    return _together.lower(weights, stacks, **given).compile()


class _Program(NamedTuple):
    """What of a restoration is static."""

    structure: Any
    weights: tuple[bool, ...]  # which leaves are those of models
    max_steps: int
    history: bool


class _Parts(NamedTuple):
    """One image's leaves, the models' apart: those a batch holds once."""

    program: _Program
    weights: list
    own: list

    @property
    def kind(self) -> Hashable:
        shapes = tuple((np.shape(a), jnp.result_type(a)) for a in self.own)
        return self.program, shapes, tuple(map(id, self.weights))


def _parts(asked: Asked) -> _Parts:
    method, observation, stopping, max_steps, key, history = asked
    limits = stopping, max_steps, history
    arguments, static = traced_and_static(method, observation, limits, None, key)
    leaves, structure = jax.tree.flatten(arguments)
    models = _model_leaves(arguments[0])
    places = tuple(id(leaf) in models for leaf in leaves)
    pairs = list(zip(places, leaves, strict=True))
    return _Parts(
        _Program(structure, places, **static),
        [leaf for held, leaf in pairs if held],
        [leaf for held, leaf in pairs if not held],
    )


def _model_leaves(method: Any) -> set[int]:
    """The ids of the leaves of a method's models."""
    while hasattr(method, "method"):
        method = method.method
    models = [getattr(method, field) for field in method.models]
    return {id(leaf) for leaf in jax.tree.leaves(models)}


def _stacked(leaves: Sequence[Any]) -> Any:
    host = all(isinstance(leaf, (np.ndarray, np.generic)) for leaf in leaves)
    return np.stack(leaves) if host else jnp.stack(leaves)


def _mesh(devices: Sequence[Any] | None) -> Mesh:
    found = np.asarray(jax.local_devices() if devices is None else devices)
    return Mesh(found, (_IMAGES,), axis_types=(AxisType.Auto,))


def _filled(number: int, mesh: Mesh) -> int:
    """The least multiple of the devices from a number on."""
    return -(-number // mesh.size) * mesh.size


@partial(jax.jit, static_argnames=("program", "mesh"))
def _together(weights: list, stacks: list, *, program: _Program, mesh: Mesh):
    """`restore` of every image of a batch, each device by itself."""

    def one(weights, own):
        held, rest = iter(weights), iter(own)
        leaves = [next(held if is_held else rest) for is_held in program.weights]
        arguments = jax.tree.unflatten(program.structure, leaves)
        return restored(
            *arguments, max_steps=program.max_steps, history=program.history
        )

    several = jax.vmap(one, (None, 0))
    if mesh.size == 1:
        return several(weights, stacks)
    axes = PartitionSpec(), PartitionSpec(_IMAGES)
    how: Any = {"mesh": mesh, "in_specs": axes, "out_specs": axes[1]}
    return jax.shard_map(several, check_vma=False, **how)(weights, stacks)
