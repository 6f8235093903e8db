"""The authors' PatchVDVAE ``state_dict`` to our parameters.

Original tensors are OIHW; ours are HWIO, 1x1 kernels are matrices (I, O), kernels of
the pooling convolutions are matrices over flattened blocks, and the equal blocks of a
level are stacked along a leading axis.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig
from jaxrestore.priors.hvae.patch_vdvae import PatchVDVAE

Arrays = Mapping[str, np.ndarray]


class _Reader:
    """Takes tensors by name and remembers which were taken."""

    def __init__(self, arrays: Arrays):
        self.arrays = {k.removeprefix("module."): v for k, v in arrays.items()}
        self.taken: set[str] = set()

    def take(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise InputError(
                f"source: tensor {name} is missing; expected a PatchVDVAE state_dict "
                "of the given config"
            )
        self.taken.add(name)
        return np.asarray(self.arrays[name])

    def check_all_taken(self) -> None:
        left = sorted(self.arrays.keys() - self.taken)
        if left:
            raise InputError(
                f"source: tensor {left[0]} and {len(left) - 1} others do not belong to "
                "a PatchVDVAE of the given config"
            )

    def pointwise(self, name: str) -> dict:
        kernel = self.take(f"{name}.weight").transpose(2, 3, 1, 0)
        kernel = kernel.reshape(-1, kernel.shape[-1])
        return {"kernel": kernel, "bias": self.take(f"{name}.bias")}

    def convolution(self, name: str) -> dict:
        kernel = self.take(f"{name}.weight").transpose(2, 3, 1, 0)
        bias = self.take(f"{name}.bias")
        if kernel.shape[0] == 1:
            return {"pointwise": {"kernel": kernel[0, 0], "bias": bias}}
        return {"kernel": kernel, "bias": bias}

    def cell(self, name: str) -> dict:
        return {
            "reduce": self.pointwise(f"{name}.convs.1"),
            "conv_0": self.convolution(f"{name}.convs.3"),
            "conv_1": self.convolution(f"{name}.convs.5"),
            "expand": self.pointwise(f"{name}.convs.7"),
        }

    def block(self, name: str, first: bool) -> dict:
        params: dict = {
            "posterior_net": self.cell(f"{name}.posterior_net.0"),
            "posterior_projection": self.pointwise(
                f"{name}.posterior_layer.projection"
            ),
            "z_projection": self.pointwise(f"{name}.z_projection"),
            "residual": self.cell(f"{name}.residual_block.0"),
        }
        if first:
            params["prior_mean"] = self.take(f"{name}.prior_layer.mean").reshape(-1)
            params["prior_std"] = self.take(f"{name}.prior_layer.std").reshape(-1)
            return params
        params["prior_net"] = self.cell(f"{name}.prior_net.0")
        params["prior_projection"] = self.pointwise(f"{name}.prior_layer.projection")
        return params


def _stack(blocks: list[dict]) -> dict:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *blocks)


def from_state_dict(arrays: Arrays, config: PatchVDVAEConfig) -> PatchVDVAE:
    """Build the prior from the original tensors.

    Args:
        arrays: original names (an optional ``module.`` in front) to OIHW arrays.
        config: the architecture; ``patch`` must be 1.

    Raises:
        InputError: a tensor is missing, left over or of another shape.
    """
    reader, levels = _Reader(arrays), len(config.strides)
    bottom_up = {"stem": reader.pointwise("bottom_up.input_conv")}
    top_down: dict = {"head": reader.pointwise("top_down.output_conv")}
    for level in range(levels):
        bottom_up[f"level_{level}"] = _read_bottom_up(reader, config, level)
        top_down[f"level_{level}"] = _read_top_down(reader, config, level)
    reader.check_all_taken()
    params = {"bottom_up": bottom_up, "top_down": top_down}
    prior = PatchVDVAE(jax.tree.map(jnp.asarray, params), config)
    _check_shapes(prior)
    return prior


def _read_bottom_up(reader: _Reader, config: PatchVDVAEConfig, level: int) -> dict:
    name = f"bottom_up.levels_up_downsample.{len(config.strides) - 1 - level}"
    cells = [
        reader.cell(f"{name}.residual_block.{i}") for i in range(config.cells[level])
    ]
    params = {
        "cells": _stack(cells),
        "skip": reader.pointwise(f"{name}.skip_projection"),
    }
    if level > 0:
        params["pool"] = {"blocks": reader.pointwise(f"{name}.pool.ops.0")}
    return params


def _read_top_down(reader: _Reader, config: PatchVDVAEConfig, level: int) -> dict:
    entry = f"top_down.levels_down_upsample.{level}"
    first = reader.block(entry, first=level == 0)
    others = [
        reader.block(f"top_down.levels_down.{level}.{i}", first=False)
        for i in range(config.groups[level] - 1)
    ]
    if level == 0:
        return {"first": _stack([first]), "blocks": _stack(others)}
    unpool = {
        "pointwise": reader.pointwise(f"{entry}.unpool.ops.0"),
        "scale_bias": reader.take(f"{entry}.unpool.scale_bias").reshape(-1),
    }
    return {"unpool": unpool, "blocks": _stack([first, *others])}


def _check_shapes(prior: PatchVDVAE) -> None:
    key = jax.random.key(0)
    expected = jax.eval_shape(lambda k: PatchVDVAE.create(prior.config, k), key)
    pairs = zip(
        jax.tree.leaves_with_path(prior), jax.tree.leaves(expected), strict=True
    )
    for (path, leaf), want in pairs:
        if leaf.shape != want.shape:
            raise InputError(
                f"source: {jax.tree_util.keystr(path)} has shape {leaf.shape}, the "
                f"config expects {want.shape}"
            )
