"""A plain convolutional VAE of grey 64x64 faces, for JPMAP.

    jaxrestore train --config=vae_faces64 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/vae

DIR: folders of 64x64 pictures, aligned faces. The same command resumes.
"""


def get_config():
    return {
        "recipe": "vae",
        "batch_size": 64,
        "model": {
            "image_size": 64,
            "image_channels": 1,
            "widths": (32, 64, 96, 128),
            "latent_dim": 64,
            "initial_std": 0.2,
        },
        "loss": {"noise_std": 15 / 255, "eval_noise_levels": (0, 15, 50)},
        "optimizer": {
            "learning_rate": 1e-3,
            "final_learning_rate": 1e-5,
            "warmup": 100,
            "decay_start": 2_000,
            "clip_norm": 1.0,
        },
        "data": {"patch_size": 64, "scales": (1,), "channels": 1},
        "ema_decay": 0.998,
        "skip_gradient_norm": 1e4,
        "total_steps": 10_000,
        "log_every": 100,
        "eval_every": 1_000,
        "checkpoint_every": 500,
        "licence": "MIT",
        "description": "grey 64x64 faces, 12,000 pictures (research use)",
    }
