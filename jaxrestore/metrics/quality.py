"""PSNR and SSIM in pure JAX, for one image; batches by `jax.vmap`.

The protocol: both images are clipped to [0, 1], nothing is rounded, no border is
left out, and colour images are compared in colour (no luminance). `ssim_skimage` and
`lr_psnr` say where they differ.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxrestore.metrics.checks import as_float, as_pair
from jaxrestore.metrics.windows import filter_valid, gaussian_weights
from jaxrestore.operators.base import Operator

_GAUSSIAN = gaussian_weights(11, 1.5)
_UNIFORM = np.full(7, 1 / 7)
_C1 = 0.01**2
_C2 = 0.03**2


def mse(image: ArrayLike, reference: ArrayLike) -> jax.Array:
    """Mean squared error over all pixels and channels.

    Args:
        image: (H, W, C), clipped to [0, 1] here.
        reference: same shape.

    Returns:
        Scalar in [0, 1].

    Raises:
        InputError: the shapes differ, or no numbers on the scale 0..1.
    """
    return _error(*as_pair("mse", image, reference))


@jax.jit
def _error(image, reference) -> jax.Array:
    return jnp.mean(jnp.square(jnp.clip(image, 0, 1) - jnp.clip(reference, 0, 1)))


def psnr(image: ArrayLike, reference: ArrayLike) -> jax.Array:
    """Peak signal-to-noise ratio, -10 log10(mean squared error), peak 1.

    Args:
        image: (H, W, C), clipped to [0, 1] here.
        reference: same shape.

    Returns:
        Scalar in dB, the mean taken over all pixels and channels jointly;
        infinite for equal images.

    Raises:
        InputError: the shapes differ, or no numbers on the scale 0..1.
    """
    return -10.0 * jnp.log10(_error(*as_pair("psnr", image, reference)))


def lr_psnr(image: ArrayLike, y: ArrayLike, operator: Operator) -> jax.Array:
    """PSNR between A x and the measurement y, peak 1: consistency with what was seen.

    Neither side is clipped: a solution that is projected onto A x = y may leave
    [0, 1], and clipping it would hide how well it was projected.

    Args:
        image: x, (H, W, C).
        y: measurement, of the shape of A x; the noise-free one of a simulation, or
            the observed one.
        operator: A. Values of y that it never saw do not count.

    Returns:
        Scalar in dB, the mean taken over all seen entries of y jointly (LR-PSNR,
        thesis section 6.4).
    """
    return _seen_psnr(
        as_float("lr_psnr", image, "image"), as_float("lr_psnr", y, "y"), operator
    )


@jax.jit
def _seen_psnr(image, y, operator: Operator) -> jax.Array:
    difference = operator(image) - operator.clean(y)
    seen = jnp.sum(operator.clean(jnp.ones_like(y)))
    return -10.0 * jnp.log10(jnp.sum(jnp.square(difference)) / seen)


def ssim(image: ArrayLike, reference: ArrayLike) -> jax.Array:
    """Structural similarity of Wang et al. (2004): the protocol of the papers.

    Gaussian window 11x11 of standard deviation 1.5, valid region only, constants
    (0.01)^2 and (0.03)^2, population covariances, per channel and then averaged.

    Args:
        image: (H, W, C), at least 11x11, clipped to [0, 1] here.
        reference: same shape.

    Returns:
        Scalar in [-1, 1].

    Raises:
        InputError: as `psnr`, or a side is shorter than 11.
    """
    pair = as_pair("ssim", image, reference, _GAUSSIAN.size)
    return _similarity(*pair, _GAUSSIAN, 1.0)


def ssim_skimage(image: ArrayLike, reference: ArrayLike) -> jax.Array:
    """Structural similarity by the defaults of scikit-image.

    `skimage.metrics.structural_similarity(reference, image, channel_axis=-1,
    data_range=1)`: uniform window 7x7, valid region only, constants (0.01)^2 and
    (0.03)^2, sample covariances (49/48 of the population's), per channel and then
    averaged. Figures of papers that use this run a little higher or lower than
    `ssim`'s and are not comparable with them.

    Args:
        image: (H, W, C), at least 7x7, clipped to [0, 1] here.
        reference: same shape.

    Returns:
        Scalar in [-1, 1].

    Raises:
        InputError: as `psnr`, or a side is shorter than 7.
    """
    pair = as_pair("ssim_skimage", image, reference, _UNIFORM.size)
    return _similarity(*pair, _UNIFORM, 49 / 48)


@jax.jit
def _similarity(image, reference, weights, unbias) -> jax.Array:
    # Second moments lose digits in bright flat regions; around 1/2 they lose fewer.
    x, y = (jnp.clip(of, 0, 1) - 0.5 for of in (image, reference))
    moments = jnp.stack([x, y, x * x, y * y, x * y], axis=-1)
    mean_x, mean_y, *second = jnp.moveaxis(filter_valid(moments, weights), -1, 0)
    var_x = unbias * (second[0] - mean_x**2)
    var_y = unbias * (second[1] - mean_y**2)
    covariance = unbias * (second[2] - mean_x * mean_y)
    mean_x, mean_y = mean_x + 0.5, mean_y + 0.5
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    return jnp.mean(luminance * structure)
