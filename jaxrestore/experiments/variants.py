"""PatchVDVAEs with other numbers of latent groups and the same size."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxrestore import InputError, configfiles
from jaxrestore.priors import PatchVDVAE, PatchVDVAEConfig

_WIDTHS = ("top_down_filters", "bottom_up_filters", "skip_filters")
_SCALES = np.geomspace(0.25, 4.0, 65)  # steps of 4.4 %


def load_config(name: str) -> dict[str, Any]:
    """What the training config sets of a PatchVDVAE.

    Args:
        name: a .py file with get_config(), or the name of one in configs/train.

    Raises:
        InputError: no such file, or another recipe's.
    """
    config = configfiles.load_config(name, "train")
    if (recipe := config.get("recipe")) != "patch_vdvae":
        raise InputError(f"--config={name}: trains a {recipe}, expected a patch_vdvae")
    return config


def variant(config: dict[str, Any], count: int) -> dict[str, Any]:
    """A copy with `count` latent groups a level, and the widths that keep the size.

    All widths are scaled by one factor, rounded to multiples of 4.

    Args:
        config: what the training config of a PatchVDVAE sets.
        count: latent groups of every level, >= 1.
    """
    whole = PatchVDVAEConfig.from_dict(config["model"])
    aim = parameters(whole)

    def scaled(scale: float) -> PatchVDVAEConfig:
        widths = {name: _rounded(getattr(whole, name), scale) for name in _WIDTHS}
        return replace(whole, groups=(count,) * len(whole.strides), **widths)

    # The size grows with the scale: halve the interval, then take the nearer end.
    low, high = 0, len(_SCALES) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if parameters(scaled(_SCALES[middle])) < aim:
            low = middle
        else:
            high = middle
    ends = [scaled(_SCALES[i]) for i in (low, high)]
    model = min(ends, key=lambda model: abs(parameters(model) - aim))
    return config | {"model": model.to_dict()}


def parameters(config: PatchVDVAEConfig) -> int:
    """How many parameters a PatchVDVAE has."""
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    shapes = jax.eval_shape(lambda k: PatchVDVAE.init_params(config, k), key)
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))


def _rounded(width: Any, scale: float) -> Any:
    if isinstance(width, tuple):
        return tuple(_rounded(one, scale) for one in width)
    return max(4, 4 * round(width * scale / 4))
