"""Checks that several solvers share."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.settings import number, parse_number


def decoder_std(value: Any, name: str) -> Any:
    """gamma: a number or (H, W, C) above 0, or None ("predicted"): the decoder's."""
    if value is None or (isinstance(value, str) and value == "predicted"):
        return None
    try:
        array = np.asarray(parse_number(value, name) if np.ndim(value) == 0 else value)
        good = array.size > 0 and bool(np.all((array > 0) & (array <= 10)))
    except (InputError, TypeError):
        good = False
    if not good:
        raise InputError(
            f"{name}={value}: expected a standard deviation above 0 in [0, 1] units,"
            " such as 10/255, or predicted"
        )
    return array


encoder_noise = number(0, 10, none=True, remedy=" in [0, 1] units, such as 10/255")
learning_rate = number(0, 1e3, above=True, remedy=", such as 0.01")


def check_latents(prior: Any, latents: Any, shape: tuple[int, ...]) -> None:
    """Refuse latents of other shapes than the prior gives images of `shape`.

    Raises:
        InputError: number or shape of the groups differs.
    """
    if latents is None:
        return
    size = (shape[0], shape[1])
    prior_mean = jax.eval_shape(lambda p: p.prior_mean(size).latents, prior)
    expected = [tuple(z.shape) for z in prior_mean]
    shapes = [tuple(np.shape(z)) for z in latents]
    if shapes != expected:
        raise InputError(
            f"latents have shapes {shapes}; expected {expected}, as `reconstruct`"
            " returns them"
        )


def check_kind(solver: Any, kind: type, does: str, other: str) -> None:
    """Refuse what another function runs.

    Raises:
        InputError: the solver is of another kind.
    """
    if not isinstance(solver, kind):
        raise InputError(
            f"method: a {type(solver).__name__} was given, expected one that {does};"
            f" is it one for `{other}`?"
        )


def checked_start(start: Any, observation: Any) -> Any:
    """x^0 in single precision at least; None passes.

    Raises:
        InputError: another shape than the operator's images have, or no floats.
    """
    if start is None:
        return None
    shape = tuple(observation.image_shape)
    if tuple(start.shape) != shape:
        raise InputError(
            f"start has shape {tuple(start.shape)}; expected {shape}, the shape of the"
            " image that the operator takes"
        )
    if not jnp.issubdtype(start.dtype, jnp.floating):
        raise InputError(
            f"start has dtype {start.dtype}; expected floats in [0, 1]; divide 8-bit"
            " values by 255"
        )
    return start.astype(jnp.promote_types(start.dtype, jnp.float32))
