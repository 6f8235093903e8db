"""A small VDVAE of grey 64x64 faces.

    jaxrestore train --config=vdvae_faces64 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/faces64

DIR: folders of 64x64 pictures, aligned faces. The same command resumes.
"""


def get_config():
    return {
        "recipe": "vdvae",
        "batch_size": 32,
        "model": {
            "image_size": 64,
            "image_channels": 1,
            # What makes a face is decided at 16x16 and below: most channels are there.
            "width": 192,
            "custom_widths": "64:16,32:48,16:96",
            "enc_blocks": "64d2,32x1,32d2,16x1,16d2,8x2,8d2,4x2,4d4,1x2",
            "dec_blocks": "1x2,4m1,4x4,8m4,8x6,16m8,16x4,32m16,32x1,64m32",
            "zdim": 16,
            "num_mixtures": 5,
            "input_shift": -129.0,
            "input_scale": 1 / 45,
        },
        "optimizer": {
            "learning_rate": 1e-3,
            "final_learning_rate": 2e-5,
            "warmup": 100,
            "decay_start": 1_000,
            "clip_norm": 200.0,
            "weight_decay": 0.01,
        },
        "data": {
            "patch_size": 64,
            "scales": (1,),
            "channels": 1,
            "dequantise": False,
        },
        "ema_decay": 0.998,
        "skip_gradient_norm": 400.0,
        "total_steps": 6_000,
        "eval_every": 1_000,
        "checkpoint_every": 500,
        "licence": "MIT",
        "description": "grey 64x64 faces, 12,000 pictures (research use)",
    }
