"""A gradient-step denoiser with the network of `alr_natural.py`, white noise 0.05-0.30.

    jaxrestore train --config=gradient_step_natural --workdir=runs/gradient_step \
        --config.data.train=DIR --config.data.val=DIR
"""


def get_config():
    return {
        "recipe": "gradient_step",
        "batch_size": 16,
        "model": {"widths": (16, 32, 32, 64, 64, 64), "image_channels": 3},
        "loss": {
            "min_noise_std": 0.05,
            "max_noise_std": 0.30,
            "eval_noise_stds": (0.05, 0.1, 0.2, 0.3),
        },
        "optimizer": {"learning_rate": 1e-3, "final_learning_rate": 1e-4},
        "data": {"patch_size": 24, "scales": (1,), "dequantise": False},
        "ema_decay": 0.999,
        "total_steps": 100_000,
        "log_every": 200,
        "eval_every": 5_000,
        "eval_batches": 4,
        "eval_batch_size": 64,
        "checkpoint_every": 2_000,
        "licence": "MIT",
        "description": "BSDS500 train and test splits, 400 images (research use)",
    }
