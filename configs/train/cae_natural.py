"""A small compressive autoencoder of photographs, for VBLE: one network, six rates.

    jaxrestore train --config=cae_natural \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/cae

DIR: folders of photographs of any sizes (ours: BSDS500). The same command resumes.
"""


def get_config():
    return {
        "recipe": "cae",
        "batch_size": 8,
        "model": {
            "kind": "mean",
            "width": 64,
            "latents": 96,
            "rates": (0.0035, 0.0067, 0.013, 0.025, 0.0483, 0.0932),
        },
        "optimizer": {
            "learning_rate": 5e-4,
            "final_learning_rate": 1e-5,
            "warmup": 200,
            "decay_start": 20_000,
            "clip_norm": 20.0,
        },
        "data": {"patch_size": 128, "scales": (1, 2), "dequantise": False},
        "ema_decay": 0.999,
        "skip_gradient_norm": 1e4,
        "total_steps": 40_000,
        "eval_every": 1_000,
        "eval_batches": 4,
        "checkpoint_every": 250,
        "licence": "MIT",
        "description": "BSDS500 train and test splits, 400 images (research use)",
    }
