"""Periodic convolution by real FFTs over the two image axes."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

from jaxrestore.errors import InputError
from jaxrestore.mesh import ROWS, sharers

AXES = (0, 1)
_BY_ROWS, _BY_COLUMNS = PartitionSpec(ROWS), PartitionSpec(None, ROWS)


def rfft2(image: jax.Array) -> jax.Array:
    """(H, W, C) -> (H, W // 2 + 1, C), complex; half precision as single.

    Where devices share the image's rows (`jaxrestore.mesh`) they share the columns of
    the spectrum, which then are a multiple of their number; those beyond are zero.
    """
    least = jnp.promote_types(image.dtype, jnp.float32)
    image = image.astype(least)
    if not _shared(image.shape):
        return jnp.fft.rfft2(image, axes=AXES)

    def forward(rows):
        half = jnp.fft.rfft(rows, axis=1)
        half = jnp.pad(half, ((0, 0), (0, -half.shape[1] % sharers()), (0, 0)))
        columns = lax.all_to_all(half, ROWS, 1, 0, tiled=True)
        return jnp.fft.fft(columns, axis=0)

    return jax.shard_map(forward, in_specs=_BY_ROWS, out_specs=_BY_COLUMNS)(image)


def irfft2(spectrum: jax.Array, size: tuple[int, ...]) -> jax.Array:
    """Inverse of `rfft2` for an image of the given (H, W)."""
    if not _shared(size):
        return jnp.fft.irfft2(spectrum, s=size, axes=AXES)

    def inverse(columns):
        half = jnp.fft.ifft(columns, axis=0)
        rows = lax.all_to_all(half, ROWS, 0, 1, tiled=True)
        return jnp.fft.irfft(rows[:, : size[1] // 2 + 1], n=size[1], axis=1)

    return jax.shard_map(inverse, in_specs=_BY_COLUMNS, out_specs=_BY_ROWS)(spectrum)


def _shared(size: tuple[int, ...]) -> bool:
    return sharers() > 1 and size[0] % sharers() == 0


def transfer_function(
    kernel: jax.Array, size: tuple[int, ...], dtype=jnp.float32
) -> jax.Array:
    """Spectrum (H, W // 2 + 1, 1) of periodic convolution with a kernel.

    Cheap (one channel), and XLA moves it out of loops whose kernel does not change,
    so nothing is cached.

    Args:
      kernel: (kh, kw), its centre at shape // 2.
      size: (H, W), at least the kernel's size.
      dtype: of the image to be filtered.

    Raises:
      InputError: the kernel is not 2-D or larger than the image.
    """
    if jnp.ndim(kernel) != 2:
        raise InputError(
            f"kernel has shape {jnp.shape(kernel)}; expected (height, width), the same "
            "for all channels; select one 2-D kernel"
        )
    kh, kw = kernel.shape
    if kh > size[0] or kw > size[1]:
        raise InputError(
            f"kernel of {kh}x{kw} is larger than the image of {size[0]}x{size[1]}; "
            "crop the kernel or use a larger image"
        )
    canvas = jnp.zeros((*size, 1), dtype).at[:kh, :kw, 0].set(kernel.astype(dtype))
    return rfft2(jnp.roll(canvas, (-(kh // 2), -(kw // 2)), axis=AXES))


def filter_image(image: jax.Array, transfer: jax.Array) -> jax.Array:
    """Multiplies the spectrum of an (H, W, C) image by a transfer function."""
    return irfft2(rfft2(image) * transfer, image.shape[:2]).astype(image.dtype)


def power(transfer: jax.Array) -> jax.Array:
    """|transfer|^2, real."""
    return jnp.square(transfer.real) + jnp.square(transfer.imag)
