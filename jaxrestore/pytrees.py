"""Dataclasses as pytrees."""

from dataclasses import fields
from typing import Any, TypeVar

import jax

T = TypeVar("T")


def pytree(cls: type[T]) -> type[T]:
    """Class decorator: a dataclass becomes a pytree, as which JAX transforms it.

    Fields are its children, but those with metadata {"static": True}, whose values
    belong to the structure. Does what `jax.tree_util.register_dataclass` does, with the
    class as part of the structure as well: to JAX 0.10, structures of two dataclasses
    with the same fields are equal, so that a jitted function may answer a call with
    the program that was compiled for the other class.
    """
    static = tuple(f.name for f in fields(cls) if f.metadata.get("static"))  # type: ignore[arg-type]
    data = tuple(f.name for f in fields(cls) if f.name not in static)  # type: ignore[arg-type]
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in data)

    def flatten(tree: Any) -> tuple[list[Any], tuple[Any, ...]]:
        values = tree.__dict__
        return [values[n] for n in data], (cls, *[values[n] for n in static])

    def flatten_with_keys(tree: Any) -> tuple[Any, tuple[Any, ...]]:
        children, structure = flatten(tree)
        return zip(keys, children, strict=True), structure

    def unflatten(structure: tuple[Any, ...], children: Any) -> Any:
        given = dict(zip(data, children, strict=True))
        return cls(**given, **dict(zip(static, structure[1:], strict=True)))

    register = jax.tree_util.register_pytree_with_keys
    register(cls, flatten_with_keys, unflatten, flatten)
    return cls
