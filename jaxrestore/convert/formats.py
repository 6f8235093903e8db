"""From the original tensors to a prior, and back."""

from types import ModuleType
from typing import Any

import jax
import numpy as np

from jaxrestore.convert import cae, conv_vae, glow, patch_vdvae, vdvae
from jaxrestore.convert.tensors import Arrays, plain_names, prior_from, write
from jaxrestore.errors import InputError
from jaxrestore.parameters import flatten
from jaxrestore.priors.registry import ARCHITECTURES

# name, which is also the architecture's -> module with tensors, without_buffers, infer,
# CONFIGS (published ones by name), SECTIONS (where the original code wants weights),
# and perhaps buffers (constants that it wants beside them)
FORMATS: dict[str, ModuleType] = {
    "cae": cae,
    "conv_vae": conv_vae,
    "glow": glow,
    "patch_vdvae": patch_vdvae,
    "vdvae": vdvae,
}

# Settings of ours that the original code lacks, with the value that is its own.
_FOREIGN = (
    ("patch", 1),
    ("noise_input", False),
    ("posterior_shortcut", False),
    ("decoder_std", None),
    ("image_channels", 3),
)


def from_state_dict(arrays: Arrays, format: str, config: Any = None) -> Any:
    """Build a prior from the tensors of a published checkpoint.

    Args:
        arrays: original names (an optional ``module.`` in front) to arrays in the
            original layout.
        format: "cae" (CompressAI's), "conv_vae" (VBLE's), "glow", "vdvae" or
            "patch_vdvae".
        config: the architecture, the name of a published one, or None to infer it
            (VDVAE: one of the published networks; else from the shapes).

    Raises:
        InputError: a tensor is missing, left over, of another shape or no finite real
            numbers, or the config cannot be inferred.
    """
    if format not in FORMATS:
        raise InputError(f"format={format!r}: expected one of {', '.join(FORMATS)}")
    module = FORMATS[format]
    arrays = plain_names(arrays)
    config = _config(format, module, arrays, config)
    arrays = module.without_buffers(arrays, config)
    kind = ARCHITECTURES[format][0]
    return prior_from(module.tensors(config), arrays, kind, config)


def to_state_dict(prior: Any) -> dict[str, np.ndarray]:
    """The tensors of a prior under the names and in the layout of the original code.

    Bit for bit the inverse of `from_state_dict`.

    Raises:
        InputError: the original code has no such network.
    """
    for name, usual in _FOREIGN:
        value = getattr(prior.config, name, usual)
        if value != usual:
            raise InputError(
                f"prior: its config has {name}={value!r}, which the original code"
                " lacks; only networks that it can build are written"
            )
    module = FORMATS[format_of(prior)]
    table = list(module.tensors(prior.config))
    leaves = flatten(jax.device_get(prior.params))
    left = sorted(leaves.keys() - {tensor.path for tensor in table})
    if left:
        raise InputError(
            f"prior: parameter {left[0]} has no counterpart in the original code; "
            "only networks that it can build are written"
        )
    constants = module.buffers(prior.config) if hasattr(module, "buffers") else {}
    return write(table, leaves) | constants


def format_of(prior: Any) -> str:
    """The name in `FORMATS` of a prior's format."""
    return next(n for n, (kind, _) in ARCHITECTURES.items() if kind is type(prior))


def _config(format: str, module: ModuleType, arrays: Arrays, config: Any) -> Any:
    if isinstance(config, str):
        if config not in module.CONFIGS:
            raise InputError(
                f"config={config!r}: expected one of {', '.join(module.CONFIGS)}"
            )
        return module.CONFIGS[config]
    config = config or module.infer({name: a.shape for name, a in arrays.items()})
    if config is None:
        raise InputError(
            f"config: the tensors of the source do not tell which {format} they belong "
            f"to; pass one of {', '.join(module.CONFIGS)}, or a config of your own"
        )
    return config
