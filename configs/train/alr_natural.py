"""The critic `alr-natural`: adversarial local regulariser, white noise of 0.05 to 0.45.

    jaxrestore train --config=alr_natural --workdir=runs/alr \
        --config.data.train=DIR --config.data.val=DIR

DIR: folders of photographs of any sizes (ours: BSDS500). The same command resumes.
The recipe and the number of steps are the thesis' (Algorithm 1), more than two hours on
one core of a processor. Variants:

    ...alr_natural.py:0.1          trained on one noise level, 0.1
    --config.total_steps=3000      some minutes, for a trial (see docs/alr.md)
    --config.data.degraded=DIR --config.data.degraded_val=DIR
        learns what separates these images from those of data.train, whatever it is;
        nothing is paired, numbers and sizes are free, and no noise is added
"""


def get_config(noise_std=""):
    """`noise_std`: the level to train on, "" an interval, a level for each patch."""
    low, high = (float(noise_std),) * 2 if noise_std else (0.05, 0.45)
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
            "min_noise_std": low,
            "max_noise_std": high,
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
        "total_steps": 100_000,
        "log_every": 200,
        "eval_every": 5_000,
        "eval_batches": 4,
        "eval_batch_size": 1024,
        "checkpoint_every": 2_000,
        "licence": "MIT",
        "description": "BSDS500 train and test splits, 400 images (research use)",
    }
