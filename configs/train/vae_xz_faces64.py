"""A one-level VAE of grey 64x64 faces with a deviation of each pixel, for VBLE-xz.

Two steps, the VAE and then the second decoder, all else frozen:

    jaxrestore train --config=vae_xz_faces64 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/vae_xz
    jaxrestore train --workdir=runs/vae_xz --export=vae.safetensors
    jaxrestore train --config=vae_xz_faces64:2 --config.prior=vae.safetensors \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/vae_xz_2

DIR: folders of 64x64 pictures, aligned faces. The same command resumes.
"""

_MODEL = {
    "form": "fcb",
    "width": 32,
    "latents": 64,
    "image_size": 64,
    "image_channels": 1,
    "initial_std": 0.2,
}


def get_config(step="1"):
    first = step == "1"
    return {
        "recipe": "conv_vae" if first else "deviation",
        "batch_size": 32,
        **({"model": _MODEL} if first else {}),
        "loss": {"noise_std": 0.0} if first else {"initial_std": 0.07},
        "optimizer": {
            "learning_rate": 1e-3,
            "final_learning_rate": 1e-5,
            "warmup": 100,
            "decay_start": 1_500,
            "clip_norm": 1.0,
        },
        "data": {"patch_size": 64, "scales": (1,), "channels": 1},
        "ema_decay": 0.998 if first else 0.99,
        "skip_gradient_norm": 1e4,
        "total_steps": 6_000 if first else 2_000,
        "log_every": 100,
        "eval_every": 1_000,
        "checkpoint_every": 500,
        "licence": "MIT",
        "description": "grey 64x64 faces, 12,000 pictures (research use)",
    }
