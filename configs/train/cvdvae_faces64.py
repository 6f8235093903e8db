"""Low-resolution encoders in front of the frozen `vdvae-faces64`.

    jaxrestore train --config=cvdvae_faces64:4 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/x4

:2, :4 or :8 is the factor. DIR: folders of 64x64 pictures, aligned faces. The same
command resumes.
"""

# One or two blocks more than the VDVAE's own on maps of y's size.
_BOTTOM_UP = {
    "2": "32x3,32x1,32d2,16x1,16d2,8x2,8d2,4x2,4d4,1x2",
    "4": "16x3,16x1,16d2,8x2,8d2,4x2,4d4,1x2",
    "8": "8x2,8d2,4x2,4d4,1x2",
}


def get_config(factor="4"):
    return {
        "recipe": "cvdvae",
        "prior": "vdvae-faces64",
        "batch_size": 32,
        "model": {
            "factor": int(factor),
            "enc_blocks": _BOTTOM_UP.get(factor, ""),
            "bottleneck": 0.21,  # 40 of 192 channels: the three fit into 6 MB
        },
        "optimizer": {
            "learning_rate": 1e-3,
            "final_learning_rate": 1e-5,
            "warmup": 100,
            "decay_start": 500,
            "clip_norm": 10.0,
            "patience": 3,
        },
        "data": {
            "patch_size": 64,
            "scales": (1,),
            "channels": 1,
            "dequantise": False,
        },
        "ema_decay": 0.998,
        "skip_gradient_norm": 1e4,
        "total_steps": 8_000,
        "eval_every": 250,
        "eval_batches": 4,
        "checkpoint_every": 250,
        "licence": "MIT",
        "description": "grey 64x64 faces, 12,000 pictures (research use)",
    }
