"""The recipes' shipped configs with networks small enough to train within a test."""

from dataclasses import replace
from typing import Any

from jaxrestore.configfiles import load_config, merged
from jaxrestore.training.config import TrainConfig, train_config
from tests.priors.test_tools import GREY

# A prior for `cvdvae`.
TINY = replace(
    GREY,
    enc_blocks="8d2,4d2,2x1",
    dec_blocks="2x1,4m2,8m4",
)
_QUICK = {
    "optimizer.warmup": 2,
    "optimizer.decay_start": 50,
    "optimizer.learning_rate": 1e-2,
    "data.patch_size": 8,
}

# Config file and what is smaller than there; `cvdvae` and `deviation` need
# `prior`, such as the files of `tiny_prior` and `tiny_autoencoder`.
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "alr": (
        "alr_natural",
        {
            "model.widths": (4, 4),
            "optimizer.learning_rate": 1e-2,
            "eval_batch_size": 64,
            "ema_decay": 0.5,
            "data.patch_size": 7,
        },
    ),
    "cae": (
        "cae_natural",
        {"model.width": 4, "model.latents": 4, "model.rates": (0.01, 0.1), **_QUICK},
    ),
    "conv_vae": (
        "vae_xz_faces64",
        {"model.form": "conv", "model.width": 4, "model.latents": 3, **_QUICK},
    ),
    "cvdvae": (
        "cvdvae_faces64:2",
        {"model.enc_blocks": "", "model.bottleneck": 0.25, **_QUICK},
    ),
    "deviation": ("vae_xz_faces64:2", {"data.channels": 3, **_QUICK}),
    "gradient_step": (
        "gradient_step_natural",
        {
            "model.widths": (4, 4),
            "optimizer.learning_rate": 1e-2,
            "ema_decay": 0.5,
            "data.patch_size": 8,
        },
    ),
    "glow": (
        "glow_faces64",
        {
            "model.image_size": 8,
            "model.steps": (2, 1),
            "model.widths": (4, 6),
            **_QUICK,
        },
    ),
    "patch_vdvae": (
        "patch_vdvae_natural",
        {
            "model.strides": (1, 2),
            "model.groups": (1, 1),
            "model.cells": (1, 1),
            "model.top_down_filters": (8, 8),
            "model.bottom_up_filters": (8, 8),
            "model.kernel_sizes": (3, 3),
            "model.latent_channels": 4,
            "model.skip_filters": 8,
            "loss.warmup_steps": 20,
            **_QUICK,
        },
    ),
    "vae": (
        "vae_faces64",
        {
            "model.image_size": 8,
            "model.widths": (4, 8),
            "model.latent_dim": 4,
            **_QUICK,
        },
    ),
    "vdvae": (
        "vdvae_faces64",
        {
            "model.image_size": 8,
            "model.width": 8,
            "model.custom_widths": "",
            "model.enc_blocks": "8d4,2x1",
            "model.dec_blocks": "2x1,8m2",
            "model.zdim": 2,
            "model.num_mixtures": 2,
            **_QUICK,
        },
    ),
}


def values(name: str) -> dict[str, Any]:
    """What the tiny config of a recipe sets."""
    config, smaller = RECIPES[name]
    return merged(load_config(config, "train"), smaller)


def make(name: str, overrides: dict[str, Any]) -> TrainConfig:
    """The tiny config of a recipe, of data that need not be there."""
    return train_config(values(name), **({"data.train": "anywhere"} | overrides))
