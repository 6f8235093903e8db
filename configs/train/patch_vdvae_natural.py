"""The bundled prior `patch-vdvae-natural`: a small PatchVDVAE trained for denoising.

    jaxrestore train --config=patch_vdvae_natural \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/natural

DIR: folders of photographs of any sizes (ours: BSDS500). The same command resumes.
Time and scores: docs/patch-vdvae-natural.md.
"""


def get_config():
    return {
        "recipe": "patch_vdvae",
        "batch_size": 16,
        "model": {
            "strides": (1, 2, 2, 2),
            "groups": (2, 3, 4, 2),
            "cells": (2, 2, 2, 2),
            "top_down_filters": (128, 128, 96, 96),
            "bottom_up_filters": (128, 128, 96, 96),
            "kernel_sizes": (3, 3, 3, 3),
            "latent_channels": 16,
            "skip_filters": 64,
            "bottleneck_ratio": 0.5,
            "posterior_ratio": 0.4,
            "posterior_shortcut": True,
            "patch": 2,
            "noise_input": True,
        },
        "loss": {
            "min_noise_std": 0.0,
            "max_noise_std": 50 / 255,
            # At weight 1 a nat of latent information buys just a nat of
            # reconstruction, and a short training stays blurred; 0.1 makes detail
            # worth its price.
            "kl_weight": 0.1,
            "warmup_start": 21,
            "warmup_steps": 300,
            "balance_steps": 300,
            "eval_noise_levels": (0, 5, 15, 25, 40),
        },
        "optimizer": {
            "name": "adam",
            "learning_rate": 1e-3,
            "final_learning_rate": 1e-5,
            "warmup": 300,
            "decay_start": 1_000,
        },
        "data": {"patch_size": 48},
        "ema_decay": 0.998,
        "skip_gradient_norm": 100.0,
        "total_steps": 20_000,
        "eval_every": 1_000,
        "checkpoint_every": 500,
        "licence": "MIT",
        "description": "BSDS500 train and test splits, 400 images (research use)",
    }
