"""The released PatchVDVAE: 36 groups, 14,770,942 parameters, 8-bit natural images.

    jaxrestore train --config=patch_vdvae_published \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/published

The authors trained it for 500,000 to 600,000 steps on DIV2K and Flickr2K patches on
four GPUs. We have not trained it to the end: no score is claimed here.
"""

from jaxrestore.priors.hvae.patch_config import published


def get_config():
    return {
        "recipe": "patch_vdvae",
        "batch_size": 64,
        "model": published().to_dict(),
        "loss": {
            "kl_weight": 1.0,
            "warmup_start": 21,
            "warmup_steps": 5_000,
            "balance_steps": 10_000,
            "eval_noise_levels": (0, 5, 15, 25),
        },
        "optimizer": {
            "name": "adamax",
            "learning_rate": 1e-3,
            "final_learning_rate": 2e-4,
            "warmup": 100,
            "decay_start": 50_000,
            # As released: longer than the training, which ends at a rate of 4.8e-4.
            "decay_steps": 750_000,
        },
        "data": {"patch_size": 128},
        "ema_decay": 0.9999,
        "skip_gradient_norm": 800.0,
        "total_steps": 500_000,
        "eval_every": 5_000,
        "checkpoint_every": 2_000,
    }
