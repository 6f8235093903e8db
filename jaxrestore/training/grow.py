"""Start a wider network from the weights of a narrower one."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError


def grow(narrow: Any, fresh: Any) -> Any:
    """Put narrow weights into the leading channels of a fresh, wider network.

    Every weight from a new channel to an old one is zero, all others that are new stay
    as initialised. Where only the inner channels of cells are new (`bottleneck_ratio`,
    `posterior_ratio`), the network's function stays what it was, and the new channels
    learn from the first step on.

    Args:
        narrow: nested dicts of arrays; kernels end in (inputs, outputs).
        fresh: the same structure; the channels of kernels and biases, their last axes,
            may be more.

    Returns:
        Arrays of the shapes and dtypes of `fresh`.

    Raises:
        InputError: another structure, or a shape that differs in another way.
    """

    def place(path, new, old):
        name = getattr(path[-1], "key", "")
        free = {"kernel": 2, "bias": 1}.get(name, 0)  # channels: the last axes
        fixed = old.ndim - free
        fits = (
            old.ndim == new.ndim
            and old.shape[:fixed] == new.shape[:fixed]
            and all(a <= b for a, b in zip(old.shape, new.shape, strict=True))
        )
        if not fits:
            raise InputError(
                f"config.init_from: parameter {jax.tree_util.keystr(path)} has shape"
                f" {old.shape}, config.model expects {new.shape} or less; take weights"
                " of the same or of a narrower network"
            )
        if name == "kernel":  # new inputs, old outputs
            new = new.at[..., old.shape[-2] :, : old.shape[-1]].set(0)
        corner = tuple(slice(size) for size in old.shape)
        return new.at[corner].set(old.astype(new.dtype))

    if jax.tree.structure(narrow) != jax.tree.structure(fresh):
        raise InputError(
            "config.init_from: the weights belong to another network than config.model;"
            " take the model section of the config in their header"
        )
    return jax.tree_util.tree_map_with_path(
        place, fresh, jax.tree.map(jnp.array, narrow)
    )
