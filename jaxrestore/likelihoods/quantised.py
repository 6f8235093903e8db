"""Gaussian noise, then rounding to cells: what JPEG does to its coefficients."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfcx, log_ndtr

from jaxrestore.errors import InputError
from jaxrestore.likelihoods.noise import check_fits
from jaxrestore.pytrees import pytree

_NEWTON_STEPS = 8
_SERIES = 8.0
_FAR = 30.0  # deviations outside the cell from where on the density is Gaussian


@pytree
@dataclass(frozen=True, eq=False)
class QuantisedNoise:
    """u = A x plus white Gaussian noise, rounded to the centre y of its cell.

        -log p(y | A x) = -sum_i log[Phi((w/2 - r_i) / s) - Phi((-w/2 - r_i) / s)]

    of r = A x - y, cells of width w and noise of deviation s before the rounding. It
    is convex, flat inside the cell for s << w, and for w << s that of Gaussian noise.

    Attributes:
      width: w > 0 in the units of y, a number or an array that broadcasts to y.
      std: s > 0 likewise.
    """

    width: Any
    std: Any

    @property
    def level(self):
        """Root mean square of the error of y, sqrt(s^2 + w^2 / 12)."""
        return jnp.sqrt(jnp.mean(jnp.square(self.std) + jnp.square(self.width) / 12))

    def neg_log_density(self, residual):
        r = jnp.abs(residual)
        upper = (self.width / 2 - r) / self.std
        share = _tail_share(r, self.width, self.std)[0]
        return -jnp.sum(log_ndtr(upper) + jnp.log1p(-share))

    def score(self, residual):
        return _derivatives(residual, self.width, self.std)[0]

    def prox(self, residual: jax.Array, step) -> jax.Array:
        """argmin_r -log p(r) + sum_i (r_i - v_i)^2 / (2 step_i), value by value.

        Newton's method, bisecting where it leaves the interval in which the minimiser
        is known to lie; a fixed number of steps.

        Args:
          residual: v.
          step: > 0, broadcasts to v.
        """
        sign, v = jnp.sign(residual), jnp.abs(residual)
        # The pull is outwards in [0, v]: the minimiser is not beyond either end, nor
        # further inside than where Gaussian noise around the cell's edge leaves it.
        edge = jnp.minimum(v, self.width / 2)
        variance = jnp.square(self.std)
        gaussian = (variance * v + step * edge) / (variance + step)

        def newton(_, state):
            r, low, high = state
            slope, curvature = _derivatives(r, self.width, self.std)
            pull = (v - r) / step
            low = jnp.where(slope < pull, r, low)
            high = jnp.where(slope < pull, high, r)
            plain = (slope - pull) / (curvature + 1 / step)
            # Inside the cell the slope is like exp(-t^2/2): of equal logarithms.
            ratio = jnp.log(slope / pull) / (curvature / slope + 1 / (v - r))
            tail = (r + self.std < self.width / 2) & jnp.isfinite(ratio)
            moved = r - jnp.where(tail, ratio, plain)
            inside = (moved >= low) & (moved <= high)
            return jnp.where(inside, moved, (low + high) / 2), low, high

        start = jnp.minimum(gaussian, v), jnp.zeros_like(v), v
        return sign * jax.lax.fori_loop(0, _NEWTON_STEPS, newton, start)[0]

    def draw(self, key, mean):
        """The centre of the cell that mean plus noise falls into; 0 is a centre."""
        noisy = mean + self.std * jax.random.normal(key, mean.shape, mean.dtype)
        return self.width * jnp.round(noisy / self.width)

    def validate(self, shape):
        checked = {}
        for name, value in (("width", self.width), ("std", self.std)):
            value = np.asarray(value)
            real = value.dtype.kind in "iuf" and value.size > 0
            if not real or not ((value > 0) & (value < np.inf)).all():
                raise InputError(
                    f"{name} of a QuantisedNoise holds {_shown(value)}; expected finite"
                    " numbers above 0; rounding to 8 bits alone makes 0.0011, use that"
                )
            check_fits(f"{name} of a QuantisedNoise", value, shape)
            checked[name] = jnp.asarray(value, jnp.float32)
        return QuantisedNoise(**checked)


def _tail_share(r, width, std):
    """(Phi(lower) / Phi(upper), exp(-w r / s^2), phi(upper) / Phi(upper)) for r >= 0.

    Ratios of Gaussian tails by the scaled complementary error function: no two nearly
    equal numbers are subtracted, however far outside the cell r lies.
    """
    root = jnp.sqrt(jnp.asarray(0.5, r.dtype))
    upper = _erfcx((r - width / 2) / std * root)
    lower = _erfcx((r + width / 2) / std * root)
    decay = jnp.exp(-width * r / jnp.square(std))
    return decay * lower / upper, decay, jnp.sqrt(2 / jnp.pi).astype(r.dtype) / upper


def _erfcx(x):
    """exp(x^2) erfc(x). JAX's own is 0 around 9.3 in float32, where erfc underflows."""
    x = jnp.asarray(x)
    inverse = 1 / jnp.square(jnp.maximum(x, _SERIES))
    series = 1 + inverse * (-1 / 2 + inverse * (3 / 4 + inverse * (-15 / 8)))
    series = series / (jnp.sqrt(jnp.pi).astype(x.dtype) * jnp.maximum(x, _SERIES))
    return jnp.where(x > _SERIES, series, erfcx(jnp.minimum(x, _SERIES)))


def _derivatives(residual, width, std):
    """First and second derivative of -log p by the residual."""
    r = jnp.abs(residual)
    share, decay, hazard = _tail_share(r, width, std)
    upper, lower = (width / 2 - r) / std, (-width / 2 - r) / std
    first = hazard * (1 - decay) / (1 - share)
    second = first**2 + hazard * (upper - lower * decay) / (1 - share)
    second = jnp.where(upper < -_FAR, 1, jnp.clip(second, 0, 1))
    return jnp.sign(residual) * first / std, second / jnp.square(std)


def _shown(value: np.ndarray) -> str:
    return f"{value.item()}" if value.size == 1 else f"an array {value.shape}"
