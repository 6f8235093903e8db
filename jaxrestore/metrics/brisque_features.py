"""The 36 natural-scene statistics of BRISQUE, in pure JAX."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import gammaln

from jaxrestore.metrics.windows import filter_valid, gaussian_weights

_WINDOW = gaussian_weights(7, 7 / 6)
_FLOOR = 1 / 255  # added to the local deviation
_FLAT = 1e-16  # a smaller mean square distance in a window is rounding
_LUMINANCE = (0.2125, 0.7154, 0.0721)
_HALVE = np.array([-0.09375, 0.59375, 0.59375, -0.09375])  # bicubic, a = -0.75, at 1/2
# log of the shape a of a generalised Gaussian from 0.1 to 12, and of
# G(2/a)^2 / (G(1/a) G(3/a)), which rises with it.
_LOG_SHAPE = np.linspace(np.log(0.1), np.log(12), 4096)
_LOG_GAMMA = [gammaln(i * np.exp(-_LOG_SHAPE)) for i in (1, 2, 3)]
_LOG_RATIO = 2 * _LOG_GAMMA[1] - _LOG_GAMMA[0] - _LOG_GAMMA[2]


def features(image: jax.Array) -> jax.Array:
    """Features of one image at full and at half size, unscaled.

    At each size: the shape and the mean variance of an asymmetric generalised
    Gaussian fitted to the locally normalised luminance

        m = (I - mu) / (s + 1/255),   mu, s: 7x7 Gaussian window of std 7/6,
                                      zeros outside the image,

    then shape, mean, left and right variance of one fitted to each product of m
    with its right, lower, lower right and upper right neighbour.

    Args:
        image: (H, W, 1 or 3), [0, 1].

    Returns:
        (36,).
    """
    grey = image[..., 0]
    if image.shape[-1] == 3:
        grey = jnp.sum(image * jnp.asarray(_LUMINANCE, image.dtype), -1)
    statistics = [moments(m) for size in (grey, halve(grey)) for m in _maps(size)]
    left, right, ratio = jnp.stack(statistics).T
    shape, mean = fit(left, right, ratio)
    every = jnp.stack([shape, mean, left, right], -1).reshape(2, 5, 4)
    first = jnp.stack([every[:, 0, 0], every[:, 0, 2:].mean(-1)], -1)
    return jnp.concatenate([first, every[:, 1:].reshape(2, 16)], -1).ravel()


def halve(image: jax.Array) -> jax.Array:
    """Half size by bicubic interpolation, not antialiased: (H, W) -> (H/2, W/2).

    OpenCV's INTER_CUBIC (a = -0.75, border repeated); H/2 rounded half to even.
    """
    for axis in (0, 1):
        size = int(np.rint(image.shape[axis] / 2))
        last = 2 * size + 2 - 1 - image.shape[axis]
        pads = [(0, 0), (0, 0)]
        pads[axis] = (1, max(last, 0))
        padded = jnp.pad(image, pads, mode="edge")
        image = filter_valid(padded, _HALVE, 2, (axis,))
        image = jax.lax.slice_in_dim(image, 0, size, axis=axis)
    return image


def normalised(image: jax.Array) -> jax.Array:
    """Mean-subtracted, contrast-normalised luminance, (H, W) -> (H, W).

    Moments are taken around the pixel itself: in nearly flat windows its distance to
    the mean is far below the rounding of either. In a flat window it is 0, and the
    sign, which the fits count, a matter of rounding: 0 for black here and slightly
    positive for all else, as the package has it at white, where photographs are flat
    (at a fifth of the other levels its errors are negative).
    """
    height, width = image.shape
    padded = jnp.pad(image, 3)
    first = second = jnp.zeros_like(image)
    for i, j in np.ndindex(7, 7):
        distance = image - padded[i : i + height, j : j + width]
        weight = float(_WINDOW[i] * _WINDOW[j])
        first, second = first + weight * distance, second + weight * distance**2
    flat = second < _FLAT
    std = jnp.sqrt(jnp.where(flat, 1, jnp.maximum(second - first**2, 0.5 * _FLAT)))
    return jnp.where(flat, 1e-12 * image, first / (std + _FLOOR))


def _maps(image: jax.Array) -> list[jax.Array]:
    m = normalised(image)
    neighbours = (
        (m[:, :-1], m[:, 1:]),
        (m[:-1], m[1:]),
        (m[:-1, :-1], m[1:, 1:]),
        (m[1:, :-1], m[:-1, 1:]),
    )
    return [m, *(a * b for a, b in neighbours)]


def moments(x: jax.Array) -> jax.Array:
    """(3,): mean square of the negative and of the other values; (E|x|)^2 / E x^2."""
    negative, square = x < 0, x * x
    count = jnp.sum(negative)
    left = jnp.sum(jnp.where(negative, square, 0)) / jnp.maximum(count, 1)
    right = jnp.sum(jnp.where(negative, 0, square)) / jnp.maximum(x.size - count, 1)
    tiny = jnp.finfo(x.dtype).tiny
    ratio = jnp.mean(jnp.abs(x)) ** 2 / jnp.maximum(jnp.mean(square), tiny)
    return jnp.stack([left, right, ratio])


def fit(
    left: jax.Array, right: jax.Array, ratio: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Moment fit of an asymmetric generalised Gaussian (Lasmar et al. 2009).

    The shape a solves G(2/a)^2 / (G(1/a) G(3/a)) = R with G the gamma function and R
    from the moments, and the mean is the difference of the two deviations times R^1/2.
    R is solved by linear interpolation between 4096 shapes (off by less than 1e-5)
    from 0.1 to 12; others end at these bounds.

    Args:
        left, right: mean squares of the negative and of the other values, (n,).
        ratio: (E|x|)^2 / E x^2, (n,).

    Returns:
        Shape and mean of the distribution, (n,) each.
    """
    tiny, dtype = jnp.finfo(left.dtype).tiny, left.dtype
    std_left, std_right = (jnp.sqrt(jnp.maximum(v, tiny)) for v in (left, right))
    skew = std_left / std_right
    target = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    log_target = jnp.log(jnp.maximum(target, tiny))
    log_ratio, log_shape = (jnp.asarray(t, dtype) for t in (_LOG_RATIO, _LOG_SHAPE))
    shape = jnp.exp(jnp.interp(log_target, log_ratio, log_shape))
    return shape, (std_right - std_left) * jnp.sqrt(jnp.maximum(target, tiny))
