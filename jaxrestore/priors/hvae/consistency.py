"""How far the first k latent groups fix an image seen small (thesis 6.2 and 6.3).

Distances are root mean squares over the pixels of small images, of values 0 to 255.
Images are draws of p(x | z_<k), as the thesis defines it, with the decoder's own noise:
means in their place (`pixels=False`) leave out what the decoder does not know, so that
U_L = 0 and Proposition 6.2 fails by it even for a perfect model.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.metrics.diversity import average_pairwise_distance
from jaxrestore.operators import Operator
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.hvae.vdvae import VDVAE


def rms(first: jax.Array, second: jax.Array) -> jax.Array:
    """||a - b|| / sqrt(m), of 255."""
    return 255.0 * jnp.sqrt(jnp.mean(jnp.square(first - second)))


def unpredictability(
    prior: HierarchicalVAE,
    operators: Sequence[Operator],
    key: jax.Array,
    draws: int = 5,
    pixels: bool = True,
) -> jax.Array:
    """One draw of U_k^s for k = 0 ... L, thesis (6.8): (operators, L + 1).

        U_k^s = E_z~p(z) E_x,x'~p(x | z_<k) ||H_s x - H_s x'|| / sqrt(m)

    with one z and the mean over the pairs of `draws` images. Average over many keys
    (the thesis: 50).

    Args:
        prior: a VDVAE.
        operators: H_s, for images of the prior's size.
        key: random key.
        draws: images for each k, at least 2.
        pixels: False: decoder means in place of draws.
    """
    shape = (prior.config.image_size,) * 2
    code_key, image_key = jax.random.split(key)
    latents = prior.draw(code_key, shape)

    def at(k):
        keys = jax.random.split(jax.random.fold_in(image_key, k), draws)
        given = {"groups": k, "pixels": pixels}
        draw = partial(prior.conditional, latents, shape=shape, **given)
        images = jax.vmap(draw)(keys)
        small = [jax.vmap(operator)(images) for operator in operators]
        return jnp.stack([average_pairwise_distance(y, rms) for y in small])

    return jax.lax.map(at, jnp.arange(prior.num_groups + 1)).T


def consistency_error(
    prior: VDVAE,
    encoder: LowResEncoder,
    image: jax.Array,
    key: jax.Array,
    draws: int = 5,
    pixels: bool = True,
) -> jax.Array:
    """CE(k) for one y = H x and k = 0 ... the encoder's: E ||H x' - y|| / sqrt(m).

    x' is drawn with the encoder's z_<k and the prior's other groups, not projected
    (thesis 6.3).

    Args:
        prior: of the encoder.
        image: x, (H, W, C).
        key: random key.
        draws: samples for each k.
        pixels: False: decoder means in place of draws.
    """
    operator: Any = encoder.config.operator()
    y = operator(image)
    features = encoder.features(y)

    def draw(_, key, k):
        return encoder.sample(prior, features, key, groups=k, pixels=pixels)

    return _errors(draw, (), operator, y, key, draws, encoder.num_groups)


def reconstruction_error(
    prior: HierarchicalVAE,
    operator: Operator,
    image: jax.Array,
    key: jax.Array,
    draws: int = 5,
    pixels: bool = True,
) -> jax.Array:
    """CE(k) of a perfect encoder, k = 0 ... L: (B.5) of the thesis, for one x.

    E_z~q(z_<k | x) E_x'~p(x | z_<k) ||H x' - H x|| / sqrt(m): the prior's own encoder
    in place of the low-resolution one. Arguments as for `consistency_error`.
    """
    shape = image.shape[0], image.shape[1]
    code_key, image_key = jax.random.split(key)
    keys = jax.random.split(code_key, draws)
    latents = jax.vmap(lambda key: prior.encode(image, key))(keys)

    def draw(codes, key, k):
        return prior.conditional(codes, key, shape, groups=k, pixels=pixels)

    last = prior.num_groups
    return _errors(draw, latents, operator, operator(image), image_key, draws, last)


def _errors(draw: Callable, codes, operator, y, key, draws: int, last: int):
    def at(k):
        keys = jax.random.split(jax.random.fold_in(key, k), draws)
        images = jax.vmap(lambda code, key: draw(code, key, k))(codes, keys)
        return jnp.mean(jax.vmap(lambda x: rms(operator(x), y))(images))

    return jax.lax.map(at, jnp.arange(last + 1))


def choose_groups(distances: Any, wanted: float) -> int:
    """The least k from which on the distance is at most what is wanted.

    Args:
        distances: U_k^s or CE(k) for k = 0, 1, ...
        wanted: of 255, such as 2.

    Raises:
        InputError: no k does.
    """
    values = np.asarray(distances)
    above = np.flatnonzero(values > wanted)
    k = 0 if len(above) == 0 else int(above[-1]) + 1
    if k == len(values):
        raise InputError(
            f"wanted={wanted:g}: no number of groups gives that, expected at least"
            f" {values[-1]:.3g}, that of all {len(values) - 1}"
        )
    return k
