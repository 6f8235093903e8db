"""The training config: defaults, validation, and what a checkpoint must match."""

import json
import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from jaxrestore.data.sources import SAME
from jaxrestore.errors import InputError

# A (frozen) ConfigDict: its fields have no static types.
Config = Any


def base_config() -> ConfigDict:
    """Everything the loop reads, with its defaults.

    A config file's ``get_config()`` starts from it, sets `recipe`, `data.train` and
    whatever else differs, and fills `model`, `loss` and `optimizer`, which
    only the recipe reads.
    """
    config = ConfigDict()
    config.recipe = ""  # name in training.recipe.RECIPES or "module:Class"
    config.seed = 0
    config.batch_size = 64  # of the whole job, over all devices and processes
    config.model = ConfigDict()
    config.loss = ConfigDict()
    config.optimizer = ConfigDict()
    config.data = data_config()
    config.prior = ""  # weights that stay frozen, for recipes that need some
    config.init_from = ""  # weights to start from: bundled name or .safetensors file
    config.ema_decay = 0.9999
    config.skip_gradient_norm = math.inf  # an update with a larger norm is skipped
    config.total_steps = 100_000
    config.max_minutes = math.inf  # wall clock of one run; resume to go on
    config.log_every = 50
    config.eval_every = 2_000
    config.eval_batches = 8
    config.eval_batch_size = 0  # of the whole job; 0: batch_size
    config.checkpoint_every = 1_000
    config.keep = 2  # newest checkpoints kept
    config.sharding = ()  # ((regex on parameter path, spec), ...), see sharding.py
    config.licence = ""  # of the weights, written into exported files
    config.description = ""  # of the data, written into exported files
    return config


def data_config() -> ConfigDict:
    """The `data` section."""
    data = ConfigDict()
    data.kind = "folder"  # or "tfds"
    data.train = ""  # folder of images, or "dataset:split"
    data.val = ""  # the same; "" evaluates nothing
    # A second, unpaired stream of patches: "same" (the same images), or degraded
    # images, any number of any sizes. Only recipes that say so use it.
    data.degraded = ""
    data.degraded_val = ""  # beside `val`, where `degraded` names images
    data.unreadable = "stop"  # at an unusable file of a folder; "skip" names it
    data.tfds_dir = ""
    data.patch_size = 64
    data.scales = (1, 2, 4)  # reduction factors, drawn uniformly
    data.channels = 3  # 3: colour, 1: grey
    data.flip = True
    data.dequantise = True
    data.cache = True  # keep decoded images in memory
    data.num_threads = 2
    data.num_workers = 0  # loader processes, fixed for a run; 0 loads in this one
    return data


def _check(ok: bool, field: str, value: Any, expected: str) -> None:
    if not ok:
        raise InputError(f"config.{field}={value!r}: expected {expected}")


def _check_keys(config: Config, known: ConfigDict, prefix: str) -> None:
    for name in config:
        if name not in known:
            raise InputError(
                f"config.{prefix}{name} is unknown; expected one of {sorted(known)}"
            )
    for name in known:
        if name not in config:
            raise InputError(
                f"config.{prefix}{name} is missing; start the config from"
                " jaxrestore.training.config.base_config()"
            )


def validate(config: Config) -> FrozenConfigDict:
    """Check a parsed config and freeze it.

    Raises:
        InputError: naming the field, its value and what was expected.
    """
    _check_keys(config, base_config(), "")
    _check_keys(config.data, data_config(), "data.")
    for field in (
        "batch_size",
        "total_steps",
        "log_every",
        "eval_every",
        "eval_batches",
        "checkpoint_every",
        "keep",
    ):
        value = config[field]
        _check(isinstance(value, int) and value > 0, field, value, "an integer > 0")
    size = config.eval_batch_size
    whole = isinstance(size, int) and size >= 0
    _check(whole, "eval_batch_size", size, "an integer > 0, or 0 for batch_size")
    _check(0 <= config.seed < 2**31, "seed", config.seed, "an integer in [0, 2^31)")
    _check(0 <= config.ema_decay < 1, "ema_decay", config.ema_decay, "[0, 1)")
    for field in ("skip_gradient_norm", "max_minutes"):
        _check(config[field] > 0, field, config[field], "a number > 0, or inf")
    _validate_data(config.data)
    return FrozenConfigDict(config)


def _validate_data(data: Config) -> None:
    _check(data.kind in ("folder", "tfds"), "data.kind", data.kind, "folder or tfds")
    _check(
        bool(data.train),
        "data.train",
        data.train,
        "a folder of images, or 'dataset:split' with data.kind='tfds'",
    )
    _check(
        not data.val or data.degraded in ("", SAME) or bool(data.degraded_val),
        "data.degraded_val",
        data.degraded_val,
        f"degraded images to validate on, beside those of data.val={data.val!r}",
    )
    answers = ("stop", "skip")
    _check(data.unreadable in answers, "data.unreadable", data.unreadable, str(answers))
    _check(data.patch_size > 0, "data.patch_size", data.patch_size, "an integer > 0")
    scales = tuple(data.scales)
    increasing = all(a < b for a, b in zip(scales, scales[1:], strict=False))
    whole = all(isinstance(s, int) and s >= 1 for s in scales)
    _check(
        bool(scales) and whole and increasing,
        "data.scales",
        scales,
        "increasing whole reduction factors such as (1, 2, 4)",
    )
    _check(data.channels in (1, 3), "data.channels", data.channels, "3 or 1 (grey)")
    _check(data.num_threads >= 0, "data.num_threads", data.num_threads, ">= 0")
    _check(data.num_workers >= 0, "data.num_workers", data.num_workers, ">= 0")


# Where the data lie and how they are read may change between runs; what they are
# may not (their content hash is compared instead of their path).
_FREE_DATA_FIELDS = (
    "train",
    "val",
    "degraded",
    "degraded_val",
    "unreadable",
    "tfds_dir",
    "cache",
    "num_threads",
)


def fingerprint(config: Config, contents: Mapping[str, str]) -> dict[str, Any]:
    """The settings that a resumed run must share, flat, JSON-compatible.

    Args:
        config: validated config.
        contents: name in the `data` section -> content hash of that source; what is
            missing here is not compared.
    """
    flat = {name: config[name] for name in ("recipe", "seed", "batch_size")}
    for section in ("model", "loss", "optimizer", "data"):
        flat.update(_flatten(config[section].to_dict(), f"{section}."))
    for name in _FREE_DATA_FIELDS:
        del flat[f"data.{name}"]
    flat |= {f"data.{name}": content for name, content in contents.items()}
    return json.loads(json.dumps(flat, default=str))


def _flatten(tree: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix.removesuffix("."): tree}
    flat = {}
    for name, value in tree.items():
        flat.update(_flatten(value, f"{prefix}{name}."))
    return flat


def check_same_run(stored: dict[str, Any], current: dict[str, Any], where: str) -> None:
    """Refuse to resume a run of another config.

    Fields that only one side knows are left alone, so that a later version may add
    a setting whose default is the old behaviour.

    Raises:
        InputError: naming the first differing field and both values.
    """
    for name in sorted(stored.keys() & current.keys()):
        if stored[name] != current[name]:
            raise InputError(
                f"config.{name}={current[name]!r} differs from the checkpoint in"
                f" {where}, which has {stored[name]!r}; set it back, or start another"
                " run with a fresh --workdir"
            )
