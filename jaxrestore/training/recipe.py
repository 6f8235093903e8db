"""What a prior brings to the training loop, and how it is found by name."""

import importlib
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
import optax

from jaxrestore.errors import InputError
from jaxrestore.training.config import Config

Params = Any
Batch = Mapping[str, Any]

RECIPES: dict[str, str] = {
    "alr": "jaxrestore.training.alr:ALRRecipe",
    "cvdvae": "jaxrestore.training.cvdvae:CVDVAERecipe",
    "patch_vdvae": "jaxrestore.training.patch_vdvae:PatchVDVAERecipe",
    "vae": "jaxrestore.training.vae:VAERecipe",
    "vdvae": "jaxrestore.training.vdvae:VDVAERecipe",
}


@runtime_checkable
class Recipe(Protocol):
    """The model-specific part of training; constructed as ``Recipe(config)``.

    A batch is ``{"image": (B, H, W, C) float32 in [0, 1]}``, dequantised if the
    config says so; with ``config.data.degraded`` a second, unpaired array "degraded"
    of the same shape. The loop brings sharding, skipped updates, EMA, checkpoints and
    logging.

    Attributes that a recipe may have besides:
        curves: name -> columns of metrics.csv, drawn as sheets/curves_NAME.png.
        frozen: a pytree of arrays that `loss` and `evaluate` find in each batch as
            "frozen", on every device: no part of the parameters, so that nothing of
            it is differentiated, optimised, averaged or written.
        identity: name -> text, what else a resumed run must share.
        warm_start: params -> params, where a fresh run without `init_from` begins.
        validated: (opt_state, metrics) -> opt_state, called after each validation
            with the means of `evaluate`.
    """

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters: nested dicts of arrays. Traced by `jax.jit`."""
        ...

    def loss(
        self, params: Params, batch: Batch, key: jax.Array, step: jax.Array
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Scalar loss, averaged over the batch, and named scalars to log.

        `batch` is the whole batch of the job, whatever devices hold it; `key`
        differs at every step; `step` counts the updates applied so far, from 0.
        """
        ...

    def optimizer(self, config: Config) -> optax.GradientTransformation:
        """The update rule; `config` is the whole training config."""
        ...

    def evaluate(
        self, params: Params, batch: Batch, key: jax.Array
    ) -> dict[str, jax.Array]:
        """Named scalars on a validation batch, of the EMA weights. Traced."""
        ...

    def sheets(
        self, params: Params, batch: Batch, key: jax.Array
    ) -> dict[str, np.ndarray]:
        """Pictures (H, W, 3) in [0, 1] by name, of the EMA weights.

        Called outside `jax.jit`, on the first process alone, with host arrays.
        """
        ...

    def export(self, params: Params, path: str, metadata: dict[str, str]) -> None:
        """Write host `params` as safetensors with `metadata`, whole or not at all."""
        ...


def create_recipe(config: Config) -> Recipe:
    """Import and construct ``config.recipe``.

    Args:
        config: its `recipe` is a name in `RECIPES`, or "package.module:Class" for a
            recipe of your own.

    Raises:
        InputError: unknown name, or nothing there to import.
    """
    name: str = config.recipe
    target = RECIPES.get(name, name)
    module_name, _, class_name = target.partition(":")
    if not class_name:
        raise InputError(
            f"config.recipe={name!r} is unknown; expected one of"
            f" {sorted(RECIPES)} or 'package.module:Class'"
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as e:
        if e.name is None or not module_name.startswith(e.name):
            raise  # the recipe exists, something that it imports does not
        raise InputError(
            f"config.recipe={name!r}: no module {module_name!r} to import"
        ) from e
    if not hasattr(module, class_name):
        raise InputError(f"config.recipe={name!r}: {module_name} has no {class_name}")
    return getattr(module, class_name)(config)
