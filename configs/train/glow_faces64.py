"""A small Glow of grey 64x64 faces, additive couplings.

    jaxrestore train --config=glow_faces64 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/glow

DIR: folders of 64x64 pictures, aligned faces. The same command resumes.
"""


def get_config():
    return {
        "recipe": "glow",
        "batch_size": 16,
        "model": {
            "image_size": 64,
            "image_channels": 1,
            "steps": (8, 8, 8, 8),
            "widths": (64, 128, 192, 256),
            "coupling": "additive",
        },
        "loss": {"bits": 8},
        "optimizer": {
            "learning_rate": 1e-3,
            "final_learning_rate": 2e-5,
            "warmup": 200,
            "decay_start": 1_000,
            "clip_norm": 1.0,
        },
        "data": {
            "patch_size": 64,
            "scales": (1,),
            "channels": 1,
            "dequantise": False,
        },
        "ema_decay": 0.998,
        "skip_gradient_norm": 1e3,
        "total_steps": 16_000,
        "log_every": 50,
        "eval_every": 500,
        "checkpoint_every": 250,
        "licence": "MIT",
        "description": "grey 64x64 faces, 12,000 pictures (research use)",
    }
