"""PatchVDVAEs with other numbers of latent groups and the same size."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrestore import InputError
from jaxrestore.priors import PatchVDVAE, PatchVDVAEConfig

_WIDTHS = ("top_down_filters", "bottom_up_filters", "skip_filters")
_SCALES = np.geomspace(0.25, 4.0, 65)  # steps of 4.4 %


def load_config(name: str) -> Any:
    """The training config of a PatchVDVAE.

    Args:
        name: a .py file with get_config(), or the name of one in configs/train.

    Raises:
        InputError: no such file, or another recipe's.
    """
    folder = Path(__file__).parents[2]
    shipped = folder / "configs" / "train" / f"{name}.py"
    path = shipped if shipped.is_file() else Path(name)
    if path.suffix != ".py" or not path.is_file():
        raise InputError(
            f"--config={name}: no such config; expected a .py file, or the name of one"
            " in configs/train, such as patch_vdvae_natural"
        )
    spec = importlib.util.spec_from_file_location("training_config", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.append(str(folder))  # configs import one another
    try:
        spec.loader.exec_module(module)
        config = module.get_config()
    except Exception as error:
        raise InputError(f"--config={name}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(folder))
    if config.recipe != "patch_vdvae":
        raise InputError(
            f"--config={name}: trains a {config.recipe}, expected a patch_vdvae"
        )
    return config


def variant(config: Any, count: int) -> Any:
    """A copy with `count` latent groups a level, and the widths that keep the size.

    All widths are scaled by one factor, rounded to multiples of 4.

    Args:
        config: training config of a PatchVDVAE.
        count: latent groups of every level, >= 1.
    """
    aim = parameters(config.model)
    own = config.copy_and_resolve_references()
    own.model.groups = (count,) * len(config.model.strides)

    def scaled(scale: float) -> Any:
        model = own.model.copy_and_resolve_references()
        for name in _WIDTHS:
            value = config.model[name]
            wide = isinstance(value, (tuple, list))
            model[name] = (
                tuple(_rounded(v * scale) for v in value)
                if wide
                else _rounded(value * scale)
            )
        return model

    # The size grows with the scale: halve the interval, then take the nearer end.
    low, high = 0, len(_SCALES) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if parameters(scaled(_SCALES[middle])) < aim:
            low = middle
        else:
            high = middle
    ends = [scaled(_SCALES[i]) for i in (low, high)]
    own.model = min(ends, key=lambda model: abs(parameters(model) - aim))
    return own


def parameters(model: Any) -> int:
    """How many parameters a PatchVDVAE of this `model` section has."""
    config = PatchVDVAEConfig.from_dict(model.to_dict())
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    shapes = jax.eval_shape(lambda k: PatchVDVAE.init_params(config, k), key)
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))


def _rounded(width: float) -> int:
    return max(4, 4 * round(width / 4))
