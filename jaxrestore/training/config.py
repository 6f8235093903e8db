"""The training config: its settings, and what a checkpoint must match."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any

from jaxrestore.configfiles import merged
from jaxrestore.data.config import SAME, DataConfig
from jaxrestore.errors import InputError
from jaxrestore.settings import (
    as_dict,
    bind,
    count,
    literal,
    number,
    section,
    setting,
    text,
)

_LIMIT = number(0, above=True, infinite=True)


@dataclass(frozen=True)
class NoSettings:
    """A section without settings."""


@dataclass(frozen=True)
class TrainConfig:
    """What the loop reads; `schema` puts the recipe's sections into it.

    Raises:
        InputError: settings that do not fit each other.
    """

    recipe: str = setting("", text, "name of a recipe, or package.module:Class")
    seed: int = setting(0, count(0), "fixes parameters, data order and noise")
    batch_size: int = setting(64, count(), "of the whole job, over all devices")
    model: Any = section(NoSettings)
    loss: Any = section(NoSettings)
    optimizer: Any = section(NoSettings)
    data: DataConfig = section(DataConfig)
    prior: str = setting("", text, "weights that stay frozen, if the recipe needs some")
    init_from: str = setting("", text, "weights to start from, bundled name or file")
    ema_decay: float = setting(0.9999, number(0, 1 - 1e-9), "of the averaged weights")
    skip_gradient_norm: float = setting(
        math.inf, _LIMIT, "updates with a larger gradient norm are skipped"
    )
    total_steps: int = setting(100_000, count(), "the last step")
    max_minutes: float = setting(math.inf, _LIMIT, "of one run; resume to go on")
    log_every: int = setting(50, count(), "steps")
    eval_every: int = setting(2_000, count(), "steps")
    eval_batches: int = setting(8, count(), "of every evaluation")
    eval_batch_size: int = setting(0, count(0), "of the whole job; 0: batch_size")
    checkpoint_every: int = setting(1_000, count(), "steps")
    keep: int = setting(2, count(), "newest checkpoints kept")
    sharding: tuple = setting((), literal, "((regex, spec), ...), see sharding.py")
    licence: str = setting("", text, "of the weights, for exported files")
    description: str = setting("", text, "of the data, for exported files")

    def __post_init__(self):
        data = self.data
        if not data.train:
            raise InputError(
                "config.data.train='': expected a folder of images, or 'dataset:split'"
                " with config.data.kind=tfds"
            )
        if data.val and data.degraded not in ("", SAME) and not data.degraded_val:
            raise InputError(
                "config.data.degraded_val='': expected degraded images to validate on,"
                f" beside those of config.data.val={data.val!r}"
            )


def schema(values: Mapping[str, Any]) -> type[TrainConfig]:
    """The dataclass of a training config: `TrainConfig` with its recipe's sections.

    Raises:
        InputError: `recipe` names none.
    """
    from jaxrestore.training.recipe import find_recipe

    if not values:  # for a help without a config
        return TrainConfig
    recipe = find_recipe(values.get("recipe", ""))
    kinds = {"model": recipe.Model, "loss": recipe.Loss, "optimizer": recipe.Optimizer}
    fields = [(name, kind, section(kind)) for name, kind in kinds.items()]
    return make_dataclass("TrainConfig", fields, bases=(TrainConfig,), frozen=True)


def train_config(values: Mapping[str, Any], **overrides: Any) -> TrainConfig:
    """A checked training config.

    Args:
        values: what a config file sets, nested.
        **overrides: replace some, by dotted name.

    Raises:
        InputError: an unknown setting, or a value that cannot be used.
    """
    values = merged(values, overrides)
    return bind(schema(values), values)


def saved_values(workdir: str | Path) -> dict[str, Any]:
    """The settings of the run in a workdir, for `train_config`.

    Raises:
        InputError: no run, or its config.json cannot be read.
    """
    path = Path(workdir) / "config.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"--workdir={str(workdir)!r}: {path.name} cannot be read ({reason});"
            " expected the folder of a run, train there first"
        ) from error


# Where the data lie and how they are read may change between runs; what they are may
# not: their content hash is compared instead of their path.
_FIXED = ("recipe", "seed", "batch_size", "ema_decay", "skip_gradient_norm")
_FIXED_DATA = ("kind", "patch_size", "scales", "channels", "flip", "dequantise")
_FIXED_DATA += ("num_workers",)


def fingerprint(config: TrainConfig, contents: Mapping[str, str]) -> dict[str, Any]:
    """The settings that a resumed run must share, flat, JSON-compatible.

    Args:
        config: checked config.
        contents: name in the `data` section -> content hash of that source; what is
            missing here is not compared.
    """
    values = as_dict(config)
    flat = {name: values[name] for name in _FIXED}
    for part in ("model", "loss", "optimizer"):
        flat |= {f"{part}.{name}": value for name, value in values[part].items()}
    flat |= {f"data.{name}": values["data"][name] for name in _FIXED_DATA}
    return flat | {f"data.{name}": content for name, content in contents.items()}
