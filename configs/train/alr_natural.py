"""The critic `alr-natural`: adversarial local regulariser, white noise of 0.2.

    jaxrestore train --config=alr_natural --workdir=runs/alr \
        --config.data.train=DIR --config.data.val=DIR

DIR: folders of photographs of any sizes (ours: BSDS500). The same command resumes.
The recipe is the thesis' (Algorithm 1), but shorter: see docs/alr.md. Variants:

    ...alr_natural.py:0.1          trained on another noise level, 0.1
    --config.loss.min_noise_std=0.05 --config.loss.max_noise_std=0.3
                                   on an interval, a level for each patch
    --config.data.degraded=DIR --config.data.degraded_val=DIR
        learns what separates these images from those of data.train, whatever it is;
        nothing is paired, numbers and sizes are free, and no noise is added
"""


def get_config(noise_std="0.2"):
    """`noise_std`: the level to train on."""
    return {
        "recipe": "alr",
        "batch_size": 32,  # clean patches, and as many noisy ones
        "model": {
            "widths": (16, 32, 32, 64, 64, 64),
            "image_channels": 3,
            "boundary": "symmetric",
        },
        "loss": {
            "penalty_weight": 5.0,
            "interpolation": "batch",
            "min_noise_std": float(noise_std),
            "max_noise_std": float(noise_std),
            "eval_noise_stds": (0.05, 0.1, 0.2, 0.3, 0.4),
        },
        "optimizer": {"learning_rate": 1e-3, "final_learning_rate": 1e-4},
        "data": {
            "degraded": "same",
            "patch_size": 15,
            "scales": (1,),
            "dequantise": False,
        },
        "ema_decay": 0.999,
        "total_steps": 3_000,
        "log_every": 200,
        "eval_every": 1_000,
        "eval_batches": 4,
        "eval_batch_size": 1024,
        "checkpoint_every": 500,
        "licence": "MIT",
        "description": "BSDS500 train and test splits, 400 images (research use)",
    }
