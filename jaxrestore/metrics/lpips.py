"""LPIPS: distance of two images by the features of a classifier (Zhang et al. 2018)."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxrestore.errors import InputError
from jaxrestore.metrics.checks import as_pair
from jaxrestore.nets.perceptual import STACKS, Stack, tap_channels
from jaxrestore.parameters import config_in, from_arrays, read_arrays, write_params
from jaxrestore.pytrees import pytree

_LEAST = 32
# ImageNet's mean and standard deviation, for pixels on [-1, 1].
_MEAN = (-0.030, -0.088, -0.188)
_STD = (0.458, 0.448, 0.450)
_EPSILON = 1e-10


@pytree
@dataclass(frozen=True)
class LPIPS:
    """The distance, version 0.1; call it with two images.

    d(x, y) = sum_l mean_pixels sum_c w_lc (f_lc(x) / |f_l(x)| - f_lc(y) / |f_l(y)|)^2

    with f_l the feature maps of the stack, |.| the norm over channels and w_l >= 0 the
    learned weights. A pytree: parameters are leaves, the structure is static.

    Attributes:
        params: "stack" (`nets.perceptual.Stack`) and "heads", one (c_l,) per map.
        network: "alex", "vgg" or "squeeze".
    """

    params: dict
    network: str = field(metadata={"static": True})

    @classmethod
    def create(cls, network: str, key: jax.Array) -> Self:
        """Random weights: a valid distance, but not LPIPS; for tests.

        Raises:
            InputError: unknown network.
        """
        check_network(network)
        stack_key, head_key = jax.random.split(key)
        channels = tap_channels(network)
        keys = jax.random.split(head_key, len(channels))
        heads = {
            f"{i}": jax.random.uniform(k, (c,), jnp.float32)
            for i, (k, c) in enumerate(zip(keys, channels, strict=True))
        }
        stack = Stack(network).init(stack_key, jnp.zeros((64, 64, 3), jnp.float32))
        return cls({"stack": stack["params"], "heads": heads}, network)

    def __call__(self, image: ArrayLike, reference: ArrayLike) -> jax.Array:
        """Distance of two images, 0 for equal ones.

        Args:
            image: (H, W, 1 or 3), at least 32x32, [0, 1], neither clipped nor rounded
                (as in the experiments of PnP-HVAE); grey is repeated.
            reference: same shape.

        Returns:
            Scalar >= 0.

        Raises:
            InputError: the shapes differ, are too small or not of 1 or 3 channels, or
                no numbers on the scale 0..1.
        """
        return jnp.sum(self.per_layer(image, reference))

    def per_layer(self, image: ArrayLike, reference: ArrayLike) -> jax.Array:
        """The terms of the sum over feature maps, (L,); arguments as for calls."""
        pair = as_pair("lpips", image, reference, _LEAST)
        if pair[0].shape[-1] not in (1, 3):
            raise InputError(
                f"lpips: images have {pair[0].shape[-1]} channels, expected 1 or 3;"
                " pass grey or colour images"
            )
        return self._terms(*pair)

    @jax.jit
    def _terms(self, image: jax.Array, reference: jax.Array) -> jax.Array:
        pairs = jax.vmap(self._features)(jnp.stack([image, reference]))
        heads = [self.params["heads"][f"{i}"] for i in range(len(pairs))]
        terms = zip(pairs, heads, strict=True)
        return jnp.stack([jnp.mean(jnp.square(a - b) @ w) for (a, b), w in terms])

    def _features(self, image: jax.Array) -> list[jax.Array]:
        mean, std = jnp.asarray(_MEAN, jnp.float32), jnp.asarray(_STD, jnp.float32)
        x = ((2 * image - 1 - mean) / std).astype(jnp.float32)
        maps: Any = Stack(self.network).apply({"params": self.params["stack"]}, x)
        return [_unit(features) for features in maps]


def _unit(features: jax.Array) -> jax.Array:
    """Features over their norm; zeros, whose norm has no derivative, stay zero."""
    square = jnp.sum(jnp.square(features), -1, keepdims=True)
    norm = jnp.sqrt(jnp.where(square > 0, square, 1))
    return features / (jnp.where(square > 0, norm, 0) + _EPSILON)


def check_network(network: str) -> None:
    """Refuse unknown stacks.

    Raises:
        InputError: not one of `nets.perceptual.STACKS`.
    """
    if not isinstance(network, str) or network not in STACKS:
        raise InputError(
            f"lpips: network={network!r}, expected one of {', '.join(STACKS)}"
        )


def save_lpips(distance: LPIPS, path: str | Path, metadata: dict[str, str]) -> None:
    """Write the distance as safetensors, whole or not at all.

    Args:
        distance: to write.
        path: of the file.
        metadata: provenance, strings.
    """
    header = {**metadata, "kind": "lpips", "config": json.dumps(distance.network)}
    write_params(path, distance.params, header)


def load_lpips(path: str | Path) -> LPIPS:
    """Read what ``python -m jaxrestore.convert --format=lpips`` or `save_lpips` wrote.

    Raises:
        InputError: missing or unreadable file, or not one of these, or weights that
            are not those of its network.
    """
    what = f"lpips={str(path)!r}"
    remedy = "convert the public weights: python -m jaxrestore.convert --format=lpips"
    header, arrays = read_arrays(path, what, remedy)
    if header.get("kind") != "lpips":
        raise InputError(
            f"{what}: holds other weights, expected those of lpips; {remedy}"
        )
    network = config_in(header, what, remedy)
    check_network(network)
    return from_arrays(arrays, LPIPS, network, what)
