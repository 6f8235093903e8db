"""Descent on data term plus differentiable regulariser (thesis, 3.4 and 3.5)."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.solvers import settings
from jaxrestore.solvers.descent import (
    METHODS,
    SCALINGS,
    GradientDescent,
    Objective,
    adam,
)
from jaxrestore.solvers.driver import Stopping, run
from jaxrestore.solvers.restoration import Restoration


def variational(
    regulariser: Callable[[jax.Array], jax.Array],
    observation: Observation,
    *,
    weight: Any,
    scaling: str = "pixel",
    method: str = "adam",
    learning_rate: Any = 0.1,
    final_learning_rate: Any = 0.01,
    max_steps: int = 50,
    tolerance: Any = 0.0,
    patience: Any = None,
    history: bool = True,
    start: jax.Array | None = None,
) -> Restoration:
    """Restore one image with a differentiable regulariser g of images.

    Minimises over x, with n the number of pixels (H W) of x,

        F(x) = ||Ax - y||^2 / (2 n) + weight * noise_std * g(x)       "pixel"
        F(x) = ||Ax - y||^2 / (2 noise_std^2) + weight * g(x)         "literal"

    "literal" is eq. (3.4) as printed: a sum over all values beside a mean over
    patches, where the published weights do nothing to an image of ordinary size.
    "pixel" takes both as means; the slope of a critic that measures a distance asks
    for a regularisation in proportion to the noise level, which the published weights
    follow.

    From x^0, by default the observation's own starting image:

    * "adam": `max_steps` = K steps of Adam (0.9, 0.999) with the learning rate
      learning_rate * (final / learning_rate)^(k / (K - 1)), in [0, 1] units of x. The
      published experiments take K = 50, 0.1 and 0.01.
    * "gradient_descent": eq. (3.5), x <- x - t grad F(x). t starts at 1 / L, L the
      Lipschitz constant of the data term's gradient (power iteration), and is halved
      where F would not decrease (a critic is piecewise linear: its gradient has no
      Lipschitz constant), so F decreases at every step. Where no t does it the image
      stays as it is, and the run has CONVERGED.

    The call is one compiled program: images, operators, weights and every number that
    is not marked static may change without a new compilation. It works inside
    `jax.jit` and, one image per element, under `jax.vmap`. K steps take K + 1
    gradients of g.

    Args:
        regulariser: g, (H, W, C) -> (): a `Critic`, `SmoothedTV`, or any
            differentiable function; a pytree's leaves may change between calls, a
            plain function is a static argument (a new one compiles anew).
        observation: y, the operator and the noise level.
        weight: > 0.
        scaling: static, "pixel" or "literal".
        method: static, "adam" or "gradient_descent".
        learning_rate: of Adam's first step, > 0.
        final_learning_rate: of Adam's last step, > 0.
        max_steps: static, largest number of steps.
        tolerance: stop at this relative change of x, >= 0.
        patience: plateau rule, see `Stopping`; None: no such rule.
        history: static, record residual, objective (F) and contraction ratio.
        start: x^0 (H, W, C).

    Returns:
        `image` and `mean` are both the last x; no latents.

    Raises:
        InputError: a setting out of its range, or a start of another shape.
    """
    for name, value, known in (
        ("scaling", scaling, SCALINGS),
        ("method", method, METHODS),
    ):
        if value not in known:
            raise InputError(f"{name} is {value!r}; expected one of {', '.join(known)}")
    settings.check_start(start, observation)
    above = "a number above 0"
    knobs = _Knobs(
        settings.check_number("weight", weight, 0, 1e9, above),
        settings.check_number("learning_rate", learning_rate, 0, 1e3, above),
        settings.check_number(
            "final_learning_rate", final_learning_rate, 0, 1e3, above
        ),
        settings.stopping(tolerance, patience),
    )
    arguments = (_as_pytree(regulariser), observation, knobs, start)
    return _solve(
        *jax.device_put(arguments),
        scaling=scaling,
        method=method,
        max_steps=settings.check_count("max_steps", max_steps),
        history=bool(history),
    )


class _Knobs(NamedTuple):
    weight: Any
    learning_rate: Any
    final_learning_rate: Any
    stopping: Stopping


def _as_pytree(regulariser: Any) -> Any:
    if jax.tree_util.treedef_is_leaf(jax.tree.structure(regulariser)):
        return jax.tree_util.Partial(regulariser)
    return regulariser


@functools.partial(
    jax.jit, static_argnames=("scaling", "method", "max_steps", "history")
)
def _solve(
    regulariser: Any,
    observation: Observation,
    knobs: _Knobs,
    start: jax.Array | None,
    *,
    scaling: str,
    method: str,
    max_steps: int,
    history: bool,
) -> Restoration:
    image = observation.initial_image() if start is None else start
    knobs = jax.tree.map(lambda leaf: leaf.astype(image.dtype), knobs)
    noise_std = jnp.asarray(observation.noise_std, image.dtype)
    pixels = image.shape[0] * image.shape[1]
    if scaling == "pixel":
        data_weight, weight = 1 / jnp.full_like(noise_std, pixels), noise_std
    else:
        data_weight, weight = noise_std**-2, jnp.ones_like(noise_std)
    objective = Objective(regulariser, observation, data_weight, knobs.weight * weight)
    if method == "adam":
        rates = knobs.learning_rate, knobs.final_learning_rate
        descent = adam(objective, image, *rates, max_steps)
    else:
        descent = GradientDescent(objective, image)
    result = run(descent, knobs.stopping, max_steps=max_steps, history=history)
    last, once = descent.image(result.state), result.steps + 1
    tried = once if method == "adam" else result.state.evaluations
    return Restoration.of(result, last, last, evaluations=tried, gradients=once)
