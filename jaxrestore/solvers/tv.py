"""Total-variation restoration, the baseline without a learned prior."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.likelihoods import Observation
from jaxrestore.solvers import settings
from jaxrestore.solvers.driver import Stopping, run
from jaxrestore.solvers.restoration import Restoration

# Differences of about this size (in [0, 1] units) meet the edge of the dual ball after
# one dual step from zero; sets the balance of the two step sizes. Between 0.03 and 0.1
# the speed hardly changes.
_EDGE = 0.06
_RELAXATION = 1.8
_GRADIENT_NORM_SQUARED = 8.0


def total_variation(
    observation: Observation,
    *,
    weight: Any,
    max_steps: int = 150,
    tolerance: Any = 1e-5,
    coupled: bool = True,
    history: bool = True,
    start: jax.Array | None = None,
) -> Restoration:
    """Restore one image by total variation, isotropic, with periodic differences.

    Minimises over x

        ||Ax - y||^2 / (2 sigma^2) + weight * TV(x),
        TV(x) = sum_pixels ( sum_c |(Dx)_{pixel, c}|^2 )^(1/2)        coupled
        TV(x) = sum_pixels sum_c |(Dx)_{pixel, c}|                    not coupled

    with D the two forward differences, by the over-relaxed primal-dual iteration of
    Chambolle and Pock (Condat 2013, relaxation 1.8) with the exact data step
    `observation.prox`, so that any operator does; a blur costs one pair of FFTs a step.
    About 100 steps are within 0.1 % of the minimum and 0.02 dB of its PSNR.

    Works inside `jax.jit` and `jax.vmap`, and another image, kernel, noise level or
    weight of the same shapes compiles nothing.

    Args:
        observation: y, the operator and the noise level.
        weight: > 0; useful values for images in [0, 1] are about 1 / noise_std for
            denoising and 0.1 / noise_std to 0.3 / noise_std under strong blur.
        max_steps: static cap on the number of steps.
        tolerance: stop at this relative change of x, >= 0.
        coupled: static; one edge for all channels (usually better), or each its own.
        history: static; record residual, objective and contraction ratio. The
            objective applies the operator once more a step.
        start: x^0 (H, W, C); None: the observation's own starting image.

    Returns:
        `image` and `mean` are both the last x; no latents.

    Raises:
        InputError: a setting out of its range, or a start of another shape.
    """
    settings.check_start(start, observation)
    knobs = _Knobs(
        settings.check_number("weight", weight, 0, 1e9, "a number above 0"),
        settings.stopping(tolerance),
    )
    observation, knobs, start = jax.device_put((observation, knobs, start))
    return _solve(
        observation,
        knobs,
        start,
        max_steps=settings.check_count("max_steps", max_steps),
        coupled=bool(coupled),
        history=bool(history),
    )


class _Knobs(NamedTuple):
    weight: Any
    stopping: Stopping


class _State(NamedTuple):
    image: jax.Array
    dual: jax.Array


@dataclass(frozen=True)
class _Method:
    observation: Observation
    weight: jax.Array
    start: jax.Array
    coupled: bool

    def init(self) -> _State:
        return _State(self.start, jnp.zeros((2, *self.start.shape), self.start.dtype))

    def step(self, state: _State) -> _State:
        x, p = state
        dual_step = self.weight / _EDGE
        primal_step = 1 / (_GRADIENT_NORM_SQUARED * dual_step)
        # The dual goes first: from x = y, where the data step would stay, it moves.
        pushed = p + dual_step * gradient(x)
        length = pixel_norm(pushed, self.coupled)
        held = pushed / jnp.maximum(1, length / self.weight)
        descent = primal_step * divergence(2 * held - p)
        ahead = self.observation.prox(x - descent, primal_step)
        return _State(
            (x + _RELAXATION * (ahead - x)).astype(x.dtype),
            (p + _RELAXATION * (held - p)).astype(x.dtype),
        )

    def image(self, state: _State) -> jax.Array:
        return state.image

    def objective(self, state: _State) -> jax.Array:
        variation = jnp.sum(pixel_norm(gradient(state.image), self.coupled))
        return (
            self.observation.neg_log_likelihood(state.image) + self.weight * variation
        )


def gradient(image: jax.Array) -> jax.Array:
    """Forward differences with periodic boundary, (H, W, C) -> (2, H, W, C)."""
    return jnp.stack([jnp.roll(image, -1, axis) - image for axis in (0, 1)])


def divergence(field: jax.Array) -> jax.Array:
    """Adjoint of `gradient`, (2, H, W, C) -> (H, W, C)."""
    rows, columns = field
    return jnp.roll(rows, 1, 0) - rows + jnp.roll(columns, 1, 1) - columns


def pixel_norm(field: jax.Array, coupled: bool) -> jax.Array:
    """Length of the difference vectors, (2, H, W, C) -> (1, H, W, 1 or C)."""
    axes = (0, 3) if coupled else (0,)
    return jnp.sqrt(jnp.sum(field**2, axes, keepdims=True))


@functools.partial(jax.jit, static_argnames=("max_steps", "coupled", "history"))
def _solve(
    observation: Observation,
    knobs: _Knobs,
    start: jax.Array | None,
    *,
    max_steps: int,
    coupled: bool,
    history: bool,
) -> Restoration:
    image = observation.initial_image() if start is None else start
    knobs = jax.tree.map(lambda leaf: leaf.astype(image.dtype), knobs)
    method = _Method(observation, knobs.weight, image, coupled)
    result = run(method, knobs.stopping, max_steps=max_steps, history=history)
    return Restoration.of(result, result.state.image, result.state.image)
