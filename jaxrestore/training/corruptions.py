"""What the encoder sees in denoising training: images as a solver would hand them over.

PnP-HVAE never shows the encoder white noise: it shows the outcome of a data step, that
is coloured noise over an image whose unseen frequencies, or pixels, were filled from an
earlier and blurrier reconstruction. Training on such inputs beside white noise makes
the reconstruction remove what is really there.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_KERNEL = 25  # side of the drawn blur kernels


class Shares(NamedTuple):
    """How often each corruption is drawn; they sum to 1."""

    white: float
    deblurred: float = 0.0
    filled: float = 0.0


def corrupt(
    key: jax.Array, image: jax.Array, shares: Shares, low: float, high: float
) -> tuple[jax.Array, jax.Array]:
    """Draw a corruption of one image.

    - white: x + s n, s uniform in [low, high].
    - deblurred: the data step argmin_u ||A u - y||^2 / (2 sigma^2)
      + ||u - m||^2 / (2 gamma^2) of a blur A, y = A x + sigma n, m a smoothed x.
    - filled: x with pixels missing, which come from a smoothed x or from their
      neighbours; sigma n where observed.

    Args:
        key: of this image.
        image: x, (H, W, C) in [0, 1].
        shares: how often each is drawn.
        low, high: range of the white noise level.

    Returns:
        The input, of the image's shape, and its level: s for white noise, else the
        root mean squared error of the input, [0, 1] units.
    """
    choice_key, key = jax.random.split(key)
    if shares.white == 1.0:
        return _white(key, image, low, high)
    kind = jax.random.choice(choice_key, 3, p=jnp.array(shares))
    drawn = (
        _white(key, image, low, high),
        _with_level(image, _deblurred(key, image)),
        _with_level(image, _filled(key, image)),
    )
    return jax.tree.map(lambda *each: jnp.stack(each)[kind], *drawn)


def _with_level(image, corrupted):
    return corrupted, jnp.sqrt(jnp.mean((corrupted - image) ** 2))


def _white(key, image, low, high):
    level_key, noise_key = jax.random.split(key)
    level = jax.random.uniform(level_key, minval=low, maxval=high)
    return image + level * jax.random.normal(noise_key, image.shape), level


def _log_uniform(key, low, high):
    return jnp.exp(jax.random.uniform(key, (), minval=jnp.log(low), maxval=jnp.log(high)))


def random_kernel(key: jax.Array) -> jax.Array:
    """A smooth random trajectory under an anisotropic Gaussian: (25, 25), sum 1.

    Half of the trajectories have no extent, which leaves the Gaussian.
    """
    moves, bends, widths, turn = jax.random.split(key, 4)
    steps = 32
    bend = jnp.cumsum(jax.random.normal(bends, (steps,))) * 0.15
    start = jax.random.uniform(turn, maxval=2 * jnp.pi)
    length = jnp.maximum(jax.random.uniform(moves, minval=-20.0, maxval=20.0), 0.0)
    path = jnp.cumsum(jnp.stack([jnp.cos(start + bend), jnp.sin(start + bend)]), 1)
    path = (path - path.mean(1, keepdims=True)) * length / steps
    moving = length > 0
    low, high = jnp.where(moving, 0.4, 0.5), jnp.where(moving, 1.0, 3.0)
    std = low + (high - low) * jax.random.uniform(widths, (2,))
    grid = jnp.arange(_KERNEL) - _KERNEL // 2
    rows, columns = jnp.meshgrid(grid, grid, indexing="ij")
    down, right = rows - path[0][:, None, None], columns - path[1][:, None, None]
    along = jnp.cos(start) * down + jnp.sin(start) * right
    across = jnp.cos(start) * right - jnp.sin(start) * down
    kernel = jnp.exp(-0.5 * ((along / std[0]) ** 2 + (across / std[1]) ** 2)).sum(0)
    return kernel / kernel.sum()


def _transfer(kernel, shape):
    """Half spectrum of a centred kernel on the torus of an image, (H, W//2+1, 1)."""
    padded = jnp.zeros(shape[:2]).at[: kernel.shape[0], : kernel.shape[1]].set(kernel)
    centre = [-(side // 2) for side in kernel.shape]
    return jnp.fft.rfft2(jnp.roll(padded, centre, (0, 1)))[..., None]


def _gaussian_transfer(shape, std):
    """Half spectrum of a Gaussian of `std` pixels."""
    rows, columns = jnp.fft.fftfreq(shape[0]), jnp.fft.rfftfreq(shape[1])
    squared = rows[:, None] ** 2 + columns[None, :] ** 2
    return jnp.exp(-2 * (jnp.pi * std) ** 2 * squared)[..., None]


def _filter(transfer, image):
    spectrum = transfer * jnp.fft.rfft2(image, axes=(0, 1))
    return jnp.fft.irfft2(spectrum, image.shape[:2], axes=(0, 1))


def _smoothed(key, image):
    """A reconstruction that lost detail: between the image and a blurred one."""
    width_key, share_key = jax.random.split(key)
    std = jax.random.uniform(width_key, minval=0.4, maxval=2.5)
    blurred = _filter(_gaussian_transfer(image.shape, std), image)
    return blurred + jax.random.uniform(share_key) * 0.5 * (image - blurred)


def _deblurred(key, image):
    kernel_key, noise_key, sigma_key, gamma_key, mean_key = jax.random.split(key, 5)
    sigma = _log_uniform(sigma_key, 1 / 255, 16 / 255)
    gamma = _log_uniform(gamma_key, 8 / 255, 40 / 255)
    transfer = _transfer(random_kernel(kernel_key), image.shape)
    noise = sigma * jax.random.normal(noise_key, image.shape)
    mean, weight = _smoothed(mean_key, image), (sigma / gamma) ** 2
    # In the Fourier domain: m + conj(B) (Y - B M) / (|B|^2 + sigma^2 / gamma^2).
    residual = jnp.fft.rfft2(noise, axes=(0, 1))
    residual += transfer * jnp.fft.rfft2(image - mean, axes=(0, 1))
    spectrum = transfer.conj() * residual / (jnp.abs(transfer) ** 2 + weight)
    return mean + jnp.fft.irfft2(spectrum, image.shape[:2], axes=(0, 1))


def _filled(key, image):
    noise_key, sigma_key, rate_key, mask_key, mean_key, share_key = jax.random.split(
        key, 6
    )
    sigma = _log_uniform(sigma_key, 0.5 / 255, 12 / 255)
    rate = jax.random.uniform(rate_key, minval=0.2, maxval=0.8)
    seen = jax.random.bernoulli(mask_key, 1 - rate, (*image.shape[:2], 1)) * 1.0
    noisy = image + sigma * jax.random.normal(noise_key, image.shape)
    near = _gaussian_transfer(image.shape, 0.6 + rate)
    spread = _filter(near, seen * noisy) / jnp.maximum(_filter(near, seen), 1e-2)
    share = jax.random.uniform(share_key)
    fill = share * spread + (1 - share) * _smoothed(mean_key, image)
    return seen * noisy + (1 - seen) * fill
