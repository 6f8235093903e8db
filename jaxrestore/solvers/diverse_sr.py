"""Many plausible large images for one small image, in one pass (CVDVAE)."""

import math
import os
from operator import index as operator_index
from typing import Any, NamedTuple

import jax

from jaxrestore.errors import InputError
from jaxrestore.operators import Operator
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.solvers import temperature as temperatures


class DiverseSR(NamedTuple):
    """Draws of p(x | y), each (N, H, W, C).

    Attributes:
        samples: consistent with y, H x = y; not clipped.
        unprojected: before the projection, in [0, 1].
    """

    samples: jax.Array
    unprojected: jax.Array


def diverse_sr(
    prior: VDVAE,
    encoder: LowResEncoder,
    y: jax.Array,
    key: jax.Array,
    n_samples: int,
    temperature: Any = 0.8,
    prior_temperature: Any = None,
    operator: Operator | None = None,
    groups: int | None = None,
    chunk: int = 16,
) -> DiverseSR:
    """Draw images of which y may be the reduction.

    z_<k ~ q(z_<k | y), the other groups from the prior, the decoder's mean x, then the
    projection onto the images consistent with y, thesis (6.18):

        argmin_u ||u - x||^2 such that H u = y, that is x + H'(HH')^-1 (y - H x)

    Args:
        prior: the VDVAE that the encoder was trained for; `encoder.check_prior` makes
            sure of it.
        encoder: of this reduction factor.
        y: (h, w, C) in [0, 1] without noise, h = w = ``encoder.config.size``.
        key: random key.
        n_samples: N >= 1; static under `jax.jit`.
        temperature: tau of the encoder's groups, scalar or (L,); 0.8 as in the thesis'
            tables. Lower is less diverse and nearer to the original.
        prior_temperature: of the prior's groups, `temperature` by default.
        operator: H; by default what the encoder was trained with.
        groups: how many groups come from y, at most the encoder's k.
        chunk: samples drawn at the same time; more take more memory.

    Raises:
        InputError: a size, number of samples or groups that cannot be, or an encoder
            for another architecture.
    """
    encoder.check_architecture(prior)
    encoder.check_groups(groups)
    features = encoder.features(y)
    operator = encoder.config.operator() if operator is None else operator
    _check_operator(operator, encoder, y)
    n_samples = _count(n_samples, (*encoder.config.image_shape, y.shape[-1]))
    tail = temperature if prior_temperature is None else prior_temperature
    for tau in (temperature, tail):
        temperatures.check(tau, prior.num_groups)

    def draw(key):
        image = encoder.sample(prior, features, key, temperature, tail, groups)
        return DiverseSR(operator.project(y, image), image)

    keys = jax.random.split(key, n_samples)
    return jax.lax.map(draw, keys, batch_size=min(chunk, n_samples))


def _check_operator(operator: Operator, encoder: LowResEncoder, y: jax.Array) -> None:
    size = encoder.config.prior.image_size
    shape = operator.input_shape(y.shape)
    if shape != (size, size, y.shape[-1]):
        raise InputError(
            f"operator: reduces images of {shape[0]}x{shape[1]} pixels to this y,"
            f" expected the prior's {size}x{size}; take a periodic one of factor"
            f" {encoder.config.factor}"
        )


def _count(n_samples: Any, shape: tuple[int, ...]) -> int:
    try:
        count = operator_index(n_samples)
    except TypeError:
        count = 0
    if count < 1:
        raise InputError(f"n_samples={n_samples}: expected a whole number from 1 on")
    image = 4 * 2 * math.prod(shape)  # float32, before and after the projection
    most = _memory() // 2 // image
    if count > most:
        raise InputError(
            f"n_samples={n_samples}: their images alone take"
            f" {count * image / 2**30:.0f} GiB, about {most} fit; draw them in"
            " several calls with other keys"
        )
    return count


def _memory() -> int:
    """Bytes that a device has."""
    stats = jax.local_devices()[0].memory_stats() or {}
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return stats.get("bytes_limit", here)
