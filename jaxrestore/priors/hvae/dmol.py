"""The discretised mixture of logistics: what VDVAE says about pixels.

A pixel's K components share their weights over the colours; green's mean moves with
red's value, blue's with red's and green's. Grey images have one colour and no
coupling. Values lie on [-1, 1].
"""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp

from jaxrestore.pytrees import pytree

MIN_LOG_SCALE = -7.0
TINY_BIN = 1e-5  # below this probability a bin counts as density times width


@pytree
@dataclass(frozen=True)
class DiscretizedLogistics:
    """p(x | z) of an image, independent over pixels given z.

    Attributes:
        logits: (H, W, K) of the components' weights.
        means, log_scales: (H, W, C, K), the scales of logistics on [-1, 1].
        coefficients: (H, W, 3, K) in (-1, 1), or None for grey images.
        levels: 256, or 32 for 5-bit values (half a bin is then 1/31 as published,
            wider than their true half spacing 4/127.5: bins overlap by 3 %).
        exact_bins: False as released, where a bin of probability below 1e-5 counts
            as density times width: at the narrowest scales the 256 values then sum
            to 1 within 2e-5 only. True is exact, and as finite in its gradients.
    """

    logits: jax.Array
    means: jax.Array
    log_scales: jax.Array
    coefficients: jax.Array | None
    levels: int = field(default=256, metadata={"static": True})
    exact_bins: bool = field(default=False, metadata={"static": True})

    def log_prob_pixels(self, x: jax.Array) -> jax.Array:
        """log P(x | z) of every pixel, its colours together: (H, W), nats.

        Args:
            x: (H, W, C), one of the levels, on [-1, 1]; the outermost bins reach to
                infinity (at 5 bits there is none on the right).
        """
        value = x[..., None]
        inverse = jnp.exp(-self.log_scales)
        half = 1.0 / (self.levels - 1)
        centred = value - self._couple(value, value)
        upper, lower = inverse * (centred + half), inverse * (centred - half)
        if self.exact_bins:  # sigmoid(a) - sigmoid(b) = s(a) s(-b) (1 - e^(b - a))
            ends = jax.nn.log_sigmoid(upper) + jax.nn.log_sigmoid(-lower)
            inside = ends + self._log_gap(2.0 * half * inverse, half)
        else:
            mass = jax.nn.sigmoid(upper) - jax.nn.sigmoid(lower)
            middle = inverse * centred
            density = middle - self.log_scales - 2.0 * jax.nn.softplus(middle)
            is_tiny = mass <= TINY_BIN
            inside = jnp.where(
                is_tiny,
                density - jnp.log(0.5 * (self.levels - 1)),
                jnp.log(jnp.where(is_tiny, 1.0, mass)),
            )
        per_colour = jnp.where(
            value < -0.999,
            jax.nn.log_sigmoid(upper),
            jnp.where(value > 0.999, jax.nn.log_sigmoid(-lower), inside),
        )
        weighted = per_colour.sum(-2) + jax.nn.log_softmax(self.logits)
        return jax.nn.logsumexp(weighted, axis=-1)

    def log_prob(self, x: jax.Array) -> jax.Array:
        """log P(x | z) of the whole image, nats; ``x`` as in `log_prob_pixels`."""
        return self.log_prob_pixels(x).sum()

    def moments(self, coupled: bool = False) -> tuple[jax.Array, jax.Array]:
        """Mean and variance of every value: both (H, W, C), on [-1, 1].

        Component means are clipped to [-1, 1], then averaged; the variance is that
        of the mixture of logistics (pi^2 s^2 / 3 each).

        Args:
            coupled: True propagates mean and variance of red into green and of both
                into blue. False is the released approximation: blue takes green's
                mean before its own coupling, and variances do not propagate.
        """
        weights = jax.nn.softmax(self.logits)[..., None, :]
        variances = (jnp.pi * jnp.exp(self.log_scales)) ** 2 / 3.0
        means = self._couple(self.means, self.means)
        if coupled:
            means = self._couple(self.means, means)
            variances = self._spread(variances)
        means = jnp.clip(means, -1.0, 1.0)
        mean = jnp.sum(weights * means, -1)
        around = variances + (means - mean[..., None]) ** 2
        return mean, jnp.sum(weights * around, -1)

    def sample(self, key: jax.Array) -> jax.Array:
        """An exact draw of x, (H, W, C): one of the levels, on [-1, 1]."""
        component_key, value_key = jax.random.split(key)
        component = jax.random.categorical(component_key, self.logits)[..., None, None]
        picked = jax.tree.map(
            lambda parameter: jnp.take_along_axis(parameter, component, -1),
            replace(self, logits=self.logits[..., None, :]),
        )
        scales = jnp.exp(picked.log_scales)
        noise = scales * jax.random.logistic(value_key, scales.shape)
        x = jnp.zeros_like(noise)
        for _ in range(x.shape[-2]):  # each pass makes one more colour final
            x = self._nearest(picked._couple(x, x) + noise)
        return x[..., 0]

    def _log_gap(self, gap: jax.Array, half: float) -> jax.Array:
        """log(1 - e^-gap), gap = 2 half exp(-log_scales), finite where gap is 0."""
        is_tiny = gap < 1e-4
        large = jnp.log(-jnp.expm1(-jnp.where(is_tiny, 1.0, gap)))
        tiny = jnp.log(2.0 * half) - self.log_scales - 0.5 * gap
        return jnp.where(is_tiny, tiny, large)

    def _couple(self, red: jax.Array, green: jax.Array) -> jax.Array:
        """Component means given the values (H, W, C, K or 1) of red and green."""
        if self.coefficients is None:
            return self.means
        c0, c1, c2 = (self.coefficients[..., i, :] for i in range(3))
        red, green = red[..., 0, :], green[..., 1, :]
        shift = [jnp.zeros_like(c0), c0 * red, c1 * red + c2 * green]
        return self.means + jnp.stack(shift, -2)

    def _spread(self, variances: jax.Array) -> jax.Array:
        if self.coefficients is None:
            return variances
        c0, c1, c2 = (self.coefficients[..., i, :] for i in range(3))
        red, green, blue = (variances[..., i, :] for i in range(3))
        blue = blue + c2**2 * green + (c1 + c2 * c0) ** 2 * red
        return jnp.stack([red, green + c0**2 * red, blue], -2)

    def _nearest(self, x: jax.Array) -> jax.Array:
        step = 256 // self.levels
        level = jnp.round((x + 1.0) * 127.5 / step)
        return jnp.clip(level, 0, self.levels - 1) * step / 127.5 - 1.0


def from_raw(
    raw: jax.Array, channels: int, levels: int, exact_bins: bool = False
) -> DiscretizedLogistics:
    """Split the output of a network, in float32.

    Args:
        raw: (H, W, 10 K) for colour: K logits, then for each colour K means, K log
            scales, K coefficients before tanh; (H, W, 3 K) for grey, which has no
            coefficients.
        channels: 3 or 1.
        levels: 256 or 32.
        exact_bins: see `DiscretizedLogistics`.
    """
    parts = 3 if channels == 3 else 2
    mixtures = raw.shape[-1] // (1 + channels * parts)
    raw = raw.astype(jnp.float32)
    rest = raw[..., mixtures:].reshape(*raw.shape[:-1], channels, parts, mixtures)
    log_scales = jnp.maximum(rest[..., 1, :], MIN_LOG_SCALE)
    coefficients = jnp.tanh(rest[..., 2, :]) if channels == 3 else None
    return DiscretizedLogistics(
        raw[..., :mixtures],
        rest[..., 0, :],
        log_scales,
        coefficients,
        levels,
        exact_bins,
    )


def target_levels(image: jax.Array, levels: int) -> jax.Array:
    """The value that p(x | z) scores: (H, W, C) in [0, 1] to a level on [-1, 1].

    Rounded to 8 bits; 5-bit levels are the lower edges 8 floor(v / 8), as published.
    """
    step = 256 // levels
    raw = jnp.round(255.0 * jnp.clip(image, 0.0, 1.0))
    return step * jnp.floor(raw / step) / 127.5 - 1.0
