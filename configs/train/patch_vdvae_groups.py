"""The thesis' 36 latent groups in a narrow PatchVDVAE, for table 5.4.

    jaxrestore experiments groups --train=DIR --val=DIR --images=DIR --steps=20000 \
        --out=runs/groups

trains it and its variants of 6, 12 and 18 groups. DIR: folders of photographs (ours:
BSDS500); the same command goes on with stopped trainings. Variant:

    ...patch_vdvae_groups.py:small   three levels, 32 channels: for processors
"""

from jaxrestore.configs.train import patch_vdvae_natural


def get_config(size=""):
    """`size`: "", or "small"."""
    if size not in ("", "small"):
        raise ValueError(f"{size}: expected small, or nothing")
    config = patch_vdvae_natural.get_config()
    config["model"] = {
        "strides": (1, 2, 2, 2, 2, 2),
        "groups": (6,) * 6,
        "cells": (2,) * 6,
        "top_down_filters": (64,) * 6,
        "bottom_up_filters": (64,) * 6,
        "kernel_sizes": (1, 3, 3, 3, 3, 3),
        "latent_channels": 12,
        "skip_filters": 32,
        "posterior_ratio": 0.25,
        "patch": 2,
    }
    # Trained as a model, not as a denoiser: its bound is to be compared.
    config["loss"] |= {"max_noise_std": 0.0, "kl_weight": 1.0, "eval_noise_levels": ()}
    config["loss"] |= {"warmup_steps": 1_000, "balance_steps": 2_000}
    config["optimizer"] |= {"name": "adamax"}
    config["data"] = {"patch_size": 64}
    if size:
        config["model"] |= {"strides": (1, 2, 4), "skip_filters": 16}
        config["model"] |= {"groups": (6,) * 3, "cells": (2,) * 3}
        config["model"] |= {"top_down_filters": (32,) * 3, "kernel_sizes": (3,) * 3}
        config["model"] |= {"bottom_up_filters": (32,) * 3}
        config["data"] = {"patch_size": 48}
        config["loss"] |= {"warmup_steps": 300, "balance_steps": 300}
    return config
