"""Descent on latents inside a step of a solver."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax


def descend(
    objective: Callable[[Any], jax.Array],
    start: Any,
    learning_rate: Any,
    tolerance: Any,
    max_steps: int,
    needed: Any = True,
) -> tuple[Any, jax.Array]:
    """Minimise by Adam until the gradient is small.

    Args:
        objective: latents -> scalar.
        start: the first latents, a pytree.
        learning_rate: > 0.
        tolerance: stop where the gradient's norm over the number of variables is
            below.
        max_steps: most steps.
        needed: False takes no step; an idle element of a batch then costs no time.

    Returns:
        The last latents and the number of steps; with `needed`, one gradient more
        than steps was computed.
    """
    adam = optax.adam(learning_rate)
    size = sum(leaf.size for leaf in jax.tree.leaves(start))
    slope_of = jax.grad(objective)

    def steep(carry):
        _, slope, _, count = carry
        steep_enough = optax.tree.norm(slope) / size >= tolerance
        return needed & steep_enough & (count < max_steps)

    def down(carry):
        latents, slope, moments, count = carry
        updates, moments = adam.update(slope, moments)
        latents: Any = optax.apply_updates(latents, updates)
        return latents, slope_of(latents), moments, count + 1

    carry = start, slope_of(start), adam.init(start), jnp.int32(0)
    latents, _, _, count = lax.while_loop(steep, down, carry)
    return latents, count
