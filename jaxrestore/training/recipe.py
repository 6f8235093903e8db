"""What a prior brings to the training loop, and how it is found by name."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import numpy as np
import optax

from jaxrestore.errors import InputError
from jaxrestore.priors.weights import save_prior
from jaxrestore.training.config import NoSettings, TrainConfig

Params = Any
Batch = Mapping[str, Any]

RECIPES: dict[str, str] = {
    "alr": "jaxrestore.training.recipes.alr:ALRRecipe",
    "cae": "jaxrestore.training.recipes.cae:CAERecipe",
    "conv_vae": "jaxrestore.training.recipes.conv_vae:ConvVAERecipe",
    "cvdvae": "jaxrestore.training.recipes.cvdvae:CVDVAERecipe",
    "deviation": "jaxrestore.training.recipes.deviation:DeviationRecipe",
    "glow": "jaxrestore.training.recipes.glow:GlowRecipe",
    "gradient_step": "jaxrestore.training.recipes.gradient_step:GradientStepRecipe",
    "patch_vdvae": "jaxrestore.training.recipes.patch_vdvae:PatchVDVAERecipe",
    "vae": "jaxrestore.training.recipes.vae:VAERecipe",
    "vdvae": "jaxrestore.training.recipes.vdvae:VDVAERecipe",
}


class Recipe(ABC):
    """Base of the recipes, the model-specific part of training.

    A batch is ``{"image": (B, H, W, C) float32 in [0, 1]}``, dequantised if the
    config says so; with ``config.data.degraded`` a second, unpaired array "degraded"
    of the same shape. The loop brings sharding, skipped updates, EMA, checkpoints and
    logging.

    Args:
        config: the checked training config; its sections `model`, `loss` and
            `optimizer` are of the types `Model`, `Loss` and `Optimizer`.

    Attributes:
        Model, Loss, Optimizer: dataclasses of settings (`jaxrestore.settings`).
        prior: what is trained, made as ``prior(params, model)``; see `export`.
        dtype: of exported weights.
        curves: name -> columns of metrics.csv, drawn as sheets/curves_NAME.png.
        reads_validation: `validated` does something, so that the images and the
            times of validations belong to what a run is.
        model: configuration of the network.
        frozen: a pytree of arrays that `loss` and `evaluate` are given, on every
            device: no part of the parameters, so that nothing of it is
            differentiated, optimised, averaged or written.
        identity: name -> JSON value, what else a resumed run must share.
    """

    Model: ClassVar[type] = NoSettings
    Loss: ClassVar[type] = NoSettings
    Optimizer: ClassVar[type] = NoSettings
    prior: ClassVar[Any]
    dtype: ClassVar[str] = "float32"
    curves: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    reads_validation: ClassVar[bool] = False
    frozen: Any = None
    identity: Mapping[str, Any] = {}

    def __init__(self, config: TrainConfig):
        self.config = config
        self.model: Any = config.model

    @abstractmethod
    def init(self, key: jax.Array) -> Params:
        """Fresh parameters: nested dicts of arrays. Traced by `jax.jit`."""

    def warm_start(
        self, params: Params, first_batch: Callable[[], Batch]
    ) -> Params | None:
        """Where a fresh run without `init_from` begins; None: at `params`.

        `first_batch()` is the batch of the first step, split over the devices; taking
        it moves no position, so that a run killed here begins anew as if it had not.
        """
        return None

    @abstractmethod
    def loss(
        self,
        params: Params,
        batch: Batch,
        key: jax.Array,
        step: jax.Array,
        frozen: Any = None,
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Scalar loss, averaged over the batch, and named scalars to log.

        `batch` is the whole batch of the job, whatever devices hold it; `key`
        differs at every step; `step` counts the updates applied so far, from 0.
        """

    @abstractmethod
    def optimizer(self, config: TrainConfig) -> optax.GradientTransformation:
        """The update rule; `config` is the whole training config."""

    @abstractmethod
    def evaluate(
        self, params: Params, batch: Batch, key: jax.Array, frozen: Any = None
    ) -> dict[str, jax.Array]:
        """Named scalars on a validation batch, of the EMA weights. Traced."""

    def validated(self, opt_state: Any, metrics: Mapping[str, Any]) -> Any:
        """The optimiser's state after a validation with these means. Traced."""
        return opt_state

    def sheets(
        self, params: Params, batch: Batch, key: jax.Array
    ) -> dict[str, np.ndarray]:
        """Pictures (H, W, 3) in [0, 1] by name, of the EMA weights.

        Called outside `jax.jit`, on the first process alone, with host arrays.
        """
        return {}

    def export(self, params: Params, path: str, metadata: dict[str, str]) -> None:
        """Write host `params` as safetensors with `metadata`, whole or not at all."""
        metadata = dict(metadata)
        metadata["training_config"] = metadata.pop("config", "")  # beside the model's
        save_prior(self.prior(params, self.model), path, metadata, dtype=self.dtype)


def find_recipe(name: str) -> type[Recipe]:
    """Import a recipe.

    Args:
        name: in `RECIPES`, or "package.module:Class" for a recipe of your own.

    Raises:
        InputError: unknown name, or nothing there to import.
    """
    module_name, _, class_name = RECIPES.get(name, name).partition(":")
    known = f"expected one of {', '.join(RECIPES)} or package.module:Class"
    if not class_name:
        raise InputError(f"config.recipe={name!r} is unknown; {known}")
    try:
        kind = getattr(importlib.import_module(module_name), class_name, None)
    except ModuleNotFoundError as e:
        if e.name is None or not module_name.startswith(e.name):
            raise  # the recipe exists, something that it imports does not
        text = f"config.recipe={name!r}: no module {module_name!r} to import; {known}"
        raise InputError(text) from e
    if not (isinstance(kind, type) and issubclass(kind, Recipe)):
        raise InputError(
            f"config.recipe={name!r}: {module_name} has no subclass of"
            f" jaxrestore.training.recipe.Recipe called {class_name}"
        )
    return kind
