"""Tables that pair the tensors of a published checkpoint with our parameters.

A format is a list of :class:`Tensor`; reading and writing a checkpoint are two loops
over it, so that one is the inverse of the other, bit for bit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.parameters import real, shapes_of, unflatten

Arrays = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


class Layout(NamedTuple):
    """How a tensor of theirs becomes an array of ours, and back."""

    ours: Callable[[np.ndarray], np.ndarray]
    theirs: Callable[[np.ndarray], np.ndarray]


def _same(array):
    return array


def blocks(side: int) -> Layout:
    """Kernel (O, I, s, s) of a convolution with stride s: matrix (s s I, O)."""

    def theirs(array):
        kernel = array.reshape(side, side, -1, array.shape[-1])
        return kernel.transpose(3, 2, 0, 1)

    return Layout(
        lambda array: array.transpose(2, 3, 1, 0).reshape(-1, array.shape[0]), theirs
    )


VECTOR = Layout(_same, _same)
CHANNELS = Layout(  # (1, C, 1, 1) and (C,)
    lambda array: array.reshape(array.shape[1]),
    lambda array: array.reshape(1, -1, 1, 1),
)
MAP = Layout(  # (1, C, H, W) and (H, W, C)
    lambda array: array[0].transpose(1, 2, 0),
    lambda array: array.transpose(2, 0, 1)[None],
)
KERNEL = Layout(  # OIHW and HWIO
    lambda array: array.transpose(2, 3, 1, 0),
    lambda array: array.transpose(3, 2, 0, 1),
)


@dataclass(frozen=True)
class Tensor:
    """One tensor of a checkpoint.

    Attributes:
        name: theirs.
        path: of our leaf, joined by '/'.
        layout: between the two.
        index: place in a leaf that stacks equal blocks, or None.
    """

    name: str
    path: str
    layout: Layout
    index: int | None = None


def dense(name: str, path: str, index: int | None = None, side=1) -> Iterator[Tensor]:
    """A 1x1 convolution, or one whose stride is the side of its kernel."""
    return affine(name, path, blocks(side), index)


def affine(
    name: str, path: str, layout: Layout, index: int | None = None
) -> Iterator[Tensor]:
    """A kernel of some layout and its bias."""
    yield Tensor(f"{name}.weight", f"{path}/kernel", layout, index)
    yield Tensor(f"{name}.bias", f"{path}/bias", VECTOR, index)


def convolution(name: str, path: str, index: int | None, side: int) -> Iterator[Tensor]:
    """A `nets.layers.Convolution`, which holds 1x1 kernels as matrices."""
    if side == 1:
        return dense(name, f"{path}/pointwise", index)
    return affine(name, path, KERNEL, index)


def prior_from(table: Iterable[Tensor], arrays: Arrays, kind: Any, config: Any) -> Any:
    """The instance of a kind that a checkpoint's tensors make, errors as `read`."""
    leaves = read(list(table), arrays, shapes_of(kind, config))
    return kind(jax.tree.map(jnp.asarray, unflatten(leaves)), config)


def their_shapes(table: Sequence[Tensor], ours: Shapes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a checkpoint whose leaves of ours have these shapes."""
    shapes = {}
    for tensor in table:
        shape = ours[tensor.path][0 if tensor.index is None else 1 :]
        virtual = np.broadcast_to(np.float32(0), shape)
        shapes[tensor.name] = tensor.layout.theirs(virtual).shape
    return shapes


def plain_names(arrays: Mapping[Any, Any]) -> dict[str, np.ndarray]:
    """Arrays by name, without the "module." of parallel training.

    Raises:
        InputError: a name is no text, or stands there with and without it.
    """
    plain: dict[str, np.ndarray] = {}
    for key, value in arrays.items():
        name = key.removeprefix("module.") if isinstance(key, str) else None
        if name is None or name in plain:
            reason = "is no name" if name is None else "is there twice, once as module."
            raise InputError(
                f"source: {key!r} {reason}; expected the state_dict of one network"
            )
        plain[name] = np.asarray(value)
    return plain


def read(
    table: Sequence[Tensor], arrays: Arrays, ours: Shapes
) -> dict[str, np.ndarray]:
    """Our leaves by path, from their tensors by name.

    Raises:
        InputError: a tensor is missing, left over, of another shape or no finite real
            numbers.
    """
    expected = their_shapes(table, ours)
    for name, shape in expected.items():
        if name not in arrays:
            raise InputError(
                f"source: tensor {name} is missing; expected the whole state_dict of "
                "a network of this config"
            )
        if arrays[name].shape != shape:
            raise InputError(
                f"source: tensor {name} has shape {arrays[name].shape}, expected "
                f"{shape}; pass the config that the checkpoint was trained with"
            )
    left = sorted(arrays.keys() - expected.keys())
    if left:
        others = f" and {len(left) - 1} others" if len(left) > 1 else ""
        raise InputError(
            f"source: tensor {left[0]}{others} does not belong to a network of this "
            "config; remove it or pass the config of the checkpoint"
        )
    leaves = {path: np.empty(shape, np.float32) for path, shape in ours.items()}
    for tensor in table:
        given = real(arrays[tensor.name], f"source: tensor {tensor.name}")
        value = tensor.layout.ours(given)
        leaves[tensor.path][... if tensor.index is None else tensor.index] = value
    return leaves


def write(table: Sequence[Tensor], leaves: Arrays) -> dict[str, np.ndarray]:
    """Their tensors by name, from our leaves by path: the inverse of `read`."""
    tensors = {}
    for tensor in table:
        leaf = np.asarray(leaves[tensor.path])
        value = leaf if tensor.index is None else leaf[tensor.index]
        tensors[tensor.name] = np.ascontiguousarray(tensor.layout.theirs(value))
    return tensors
