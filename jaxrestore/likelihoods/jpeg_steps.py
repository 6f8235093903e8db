"""Exact steps for JPEGs: the data step of quantised noise, and the box of its cells."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.operators.base import Compose, LinearOperator
from jaxrestore.operators.jpeg import JPEG, TO_YCBCR
from jaxrestore.operators.pointwise import Crop, Identity

ADMM_STEPS = 12
_MARGIN = 1e-3  # of a cell: how far inside its edges a projection ends
_ROUNDS = 300


def jpeg_prox(
    observation: Any, v: jax.Array, step, steps: int = ADMM_STEPS, penalty=None
) -> jax.Array:
    """argmin_x -log p(y | J B x) + sum_i (x_i - v_i)^2 / (2 step_i).

    J compresses to JPEG, B comes before. Alternating directions (ADMM) on the split
    z = E T B x into padded planes of YCbCr, with penalty rho:

        z <- argmin_z -log p(y | D S z) + rho / 2 ||z - (E T B x - d)||^2
        x <- argmin_x rho / 2 ||T B x - E^+(z + d)||^2 + ||x - v||^2 / (2 step)
        d <- d + z - E T B x

    The z-step is one scalar `prox` for each coefficient. For the x-step the singular
    vectors of T turn the three colours into ones that B's own closed form serves.
    Where a border is repeated, the norm counts a pixel once, and the z-step has the
    proximal term that keeps it separable: what it converges to stays the minimiser.

    Args:
      observation: of `JPEG`, or of `JPEG` @ a linear operator, with a noise model that
        has a `prox`, such as `QuantisedNoise`.
      v: (H, W, C).
      step: variance of the quadratic around v, > 0, a scalar or (H, W, C), of which the
        harmonic mean over the colours is taken.
      steps: of ADMM, from the minimiser for white noise of the same level. Twelve
        leave about a tenth of the way from v to the minimiser; 600 converge.
      penalty: rho; None: what converged fastest in trials.

    Raises:
      InputError: another operator.
    """
    jpeg, crop, inner = _parts(observation.operator)
    noise, y = observation.noise, observation.y
    averaged = jnp.asarray(jpeg.averaged)
    if jnp.ndim(step):
        step = 1 / jnp.mean(1 / step, -1, keepdims=True)
    rho = _penalty(noise) if penalty is None else penalty
    shares = jpeg.shares()

    def nearest(target, weight):
        """argmin_x weight / 2 ||T (B x - target)||^2 + ||x - v||^2 / (2 step)."""
        return _by_colour(inner, target, v, 1 / (weight * step))

    def planes_of(x):
        return jpeg.lift(jpeg.split(crop(inner(x))))

    def iterate(_, state):
        x, z, d = state
        seen = planes_of(x)
        centre = [
            share * (s - e) + (1 - share) * old
            for share, s, e, old in zip(shares, seen, d, z, strict=True)
        ]
        measured = jpeg.reduce(centre)
        moved = noise.prox(measured - y, 1 / (rho * averaged)) - (measured - y)
        z = [c + m for c, m in zip(centre, jpeg.enlarge(moved), strict=True)]
        d = [e + new - s for e, new, s in zip(d, z, seen, strict=True)]
        frame = jpeg.join(jpeg.fold([a + b for a, b in zip(z, d, strict=True)]))
        shown = inner(x)
        target = shown + crop.adjoint(frame - crop(shown))
        return nearest(target, rho), z, d

    decoded = crop.initial_image(jpeg.initial_image(y))
    x = nearest(decoded, 1 / noise.level**2)
    z = planes_of(x)
    start = x, z, [jnp.zeros_like(plane) for plane in z]
    return jax.lax.fori_loop(0, steps, iterate, start)[0]


def project_box(observation: Any, image: jax.Array) -> jax.Array:
    """argmin_u ||T (u - image)||^2 so that every coefficient of u is in its cell.

    The metric is that of YCbCr. In closed form where sides are whole blocks; otherwise
    projections onto the cells and onto repeated borders in turn, until all
    coefficients are inside: near the nearest, not exactly it, in the blocks concerned.

    Args:
      observation: of `JPEG`, or `JPEG` @ anything, with `QuantisedNoise`.
      image: what JPEG compressed, before any blur is undone: (H, W, C).
    """
    jpeg = _parts(observation.operator)[0]
    half = observation.noise.width / 2
    inner = half * (1 - _MARGIN)

    def outside(colours):
        return jpeg.reduce(jpeg.lift(colours)) - observation.y

    def pull(state):
        colours, rounds = state
        planes = jpeg.lift(colours)
        residual = jpeg.reduce(planes) - observation.y
        moved = jnp.clip(residual, -inner, inner) - residual
        planes = [p + m for p, m in zip(planes, jpeg.enlarge(moved), strict=True)]
        return jpeg.fold(planes), rounds + 1

    def unfinished(state):
        return (state[1] < _ROUNDS) & (jnp.abs(outside(state[0])) > half).any()

    colours = jax.lax.while_loop(unfinished, pull, (jpeg.split(image), 0))[0]
    return jpeg.join(colours)


def share_inside(observation: Any, image: jax.Array) -> jax.Array:
    """Share of coefficients in their cells, of what JPEG compressed, (H, W, C)."""
    jpeg = _parts(observation.operator)[0]
    inside = jnp.abs(jpeg(image) - observation.y) <= observation.noise.width / 2
    return inside.mean()


def _penalty(noise):
    return 10 / noise.level**2


def _by_colour(inner: LinearOperator, target, v, weight) -> jax.Array:
    """argmin_x ||T (B x - target)||^2 + weight ||x - v||^2."""
    if v.shape[-1] == 1:
        return inner.tikhonov(target, v, weight)
    _, scales, turn = np.linalg.svd(TO_YCBCR)
    turn = turn.T.astype(v.dtype)
    solved = [
        inner.tikhonov(t, c, weight / scale**2)
        for t, c, scale in zip(
            jnp.split(target @ turn, 3, -1),
            jnp.split(v @ turn, 3, -1),
            scales.astype(v.dtype),
            strict=True,
        )
    ]
    return jnp.concatenate(solved, -1) @ turn.T


def _parts(operator) -> tuple[JPEG, LinearOperator, LinearOperator]:
    """The JPEG, the crop (or `Identity`) behind it, and what comes before."""
    parts = operator.operators if isinstance(operator, Compose) else (operator,)
    jpeg, *rest = parts
    if not isinstance(jpeg, JPEG):
        raise InputError(
            f"operator: a {type(operator).__name__}, expected JPEG or JPEG @ a linear"
            " operator for quantised coefficients; see jpeg_observation"
        )
    crop = rest.pop(0) if rest and isinstance(rest[0], Crop) else Identity()
    return jpeg, crop, Compose(tuple(rest)) if len(rest) > 1 else (*rest, Identity())[0]
