"""What the networks of hierarchical VAEs share: stacked Linen blocks as functions."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxrestore.priors.hvae.gaussian import Gaussian
from jaxrestore.priors.hvae.walk import Run


class Layer(NamedTuple):
    """A part of a network, by its place in a table of layers.

    Attributes:
        module: in Linen.
        shapes: of its inputs (h, w, C); C alone for one pixel; None for no input.
        count: equal modules, their parameters stacked along a leading axis, or None
            for one alone.
    """

    module: Any
    shapes: Sequence[tuple[int, int, int] | int | None]
    count: int | None = None


def init(layers: Mapping[str, Layer], keys: jax.Array) -> dict[str, Any]:
    """Fresh parameters of a table of layers by their path, each from its key."""
    pairs = zip(layers.items(), keys, strict=False)
    return {path: _init(layer, key) for (path, layer), key in pairs}


def _init(layer: Layer, key: jax.Array) -> dict:
    shapes = [(1, 1, s) if isinstance(s, int) else s for s in layer.shapes]
    inputs = [None if shape is None else jnp.zeros(shape) for shape in shapes]
    make = lambda k: layer.module.init(k, *inputs)["params"]  # noqa: E731
    if layer.count is None:
        return make(key)
    return jax.vmap(make)(jax.random.split(key, layer.count))


def apply(module, params: dict, *inputs, method: str | None = None) -> Any:
    """Run a Linen module, or one of its methods, with ``params``."""
    return module.apply({"params": params}, *inputs, method=method)


def apply_stacked(module, params: dict, x: jax.Array, unroll: bool) -> jax.Array:
    """Run the equal modules of stacked ``params`` one after the other."""
    if jax.tree.leaves(params)[0].shape[0] == 1:  # a loop even where scan is unrolled
        return apply(module, jax.tree.map(lambda leaf: leaf[0], params), x)
    step = lambda h, p: (apply(module, p, h), None)  # noqa: E731
    return lax.scan(step, x, params, unroll=unroll)[0]


def block_run(
    block: Any,
    params: dict,
    count: int,
    latent_shape: tuple[int, int, int],
    enter: Callable[[Any], Any],
    skip: jax.Array | None,
    statistics: Callable[[jax.Array], Gaussian],
    compute_dtype: str,
) -> Run:
    """A run of top-down blocks that split into ``prior``, ``posterior``, ``merge``.

    Args:
        block: module whose ``prior(h)`` gives raw statistics and a residual, whose
            ``posterior(h, skip)`` gives raw statistics.
        params: stacked parameters of ``count`` blocks.
        enter: see :class:`Run`.
        skip: (h, w, S) from the bottom-up path, None for rules without a posterior.
        statistics: raw (h, w, 2Z) to a Gaussian.
        compute_dtype: of the stream; latents are cast to it.
    """
    call = partial(apply, block)

    def prior(p, h):
        raw, residual = call(p, h, method="prior")
        return statistics(raw), h + residual

    def posterior(p, h):
        return statistics(call(p, h, skip, method="posterior"))

    def merge(p, h, z):
        return call(p, h, z.astype(compute_dtype), method="merge")

    return Run(params, count, latent_shape, enter, prior, posterior, merge)
