"""Conjugate gradients for the operators that have no closed form."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg

RELATIVE_TOLERANCE = 1e-5
MAX_STEPS = 2000

LinearMap = Callable[[jax.Array], jax.Array]


def conjugate_gradient(
    matvec: LinearMap,
    rhs: jax.Array,
    start: jax.Array | None = None,
    *,
    precondition: LinearMap | None = None,
    tolerance: float = RELATIVE_TOLERANCE,
    max_steps: int = MAX_STEPS,
) -> jax.Array:
    """Solves M x = rhs for a symmetric positive definite M.

    Minimises 1/2 <x, M x> - <rhs, x>. Safe under jit and vmap (every element of a
    batch stops on its own) and differentiable in both modes.

    Args:
      matvec: x -> M x.
      rhs: right-hand side, any shape.
      start: first guess, zeros by default.
      precondition: symmetric positive definite approximation of M^-1.
      tolerance: stops at ||rhs - M x|| <= tolerance * ||rhs||; never below rounding,
        where a step would divide 0 by 0. So 0 asks for `max_steps` steps as long as
        they change anything.
      max_steps: cap on the number of products with M.

    Returns:
      x, of rhs's shape; NaN where rhs, start or M are not finite.
    """
    start = jnp.zeros_like(rhs) if start is None else start
    rounding = float(jnp.finfo(rhs.dtype).eps)
    solution, _ = cg(
        matvec,
        rhs,
        x0=start,
        tol=max(tolerance, rounding),
        maxiter=max_steps,
        M=precondition,
    )
    # The library's loop takes a NaN residual for convergence and returns its start.
    usable = jnp.isfinite(rhs - matvec(start)).all()
    return jnp.where(usable, solution, jnp.nan)
