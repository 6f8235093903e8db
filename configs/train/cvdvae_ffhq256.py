"""Low-resolution encoders in front of OpenAI's VDVAE of faces, as in the thesis.

    jaxrestore train --config=cvdvae_ffhq256:4 \
        --config.prior=ffhq256.safetensors --config.data.train=DIR \
        --config.data.val=DIR --workdir=runs/ffhq256_x4

:4, :8 or :16 is the factor: 57, 43 or 21 of 66 groups (thesis, table 6.1).
ffhq256.safetensors: the published checkpoint, converted (docs/vdvae.md). DIR: folders
of 256x256 faces; the thesis took 63,000 of FFHQ and four A100 for less than half a day.
The sizes of the encoder are not published: it has the VDVAE's own blocks here.
"""

# Factor: batch size, learning rate, steps.
_PUBLISHED = {
    "4": (16, 5e-4, 20_000),
    "8": (32, 5e-5, 70_000),
    "16": (64, 5e-6, 20_000),
}


def get_config(factor="4"):
    batch_size, rate, steps = _PUBLISHED.get(factor, _PUBLISHED["4"])
    return {
        "recipe": "cvdvae",
        "batch_size": batch_size,
        "total_steps": steps,
        "model": {"factor": int(factor)},
        "optimizer": {
            "learning_rate": rate,
            "final_learning_rate": rate,
            "warmup": 100,
            "decay_start": 100,
            "clip_norm": 200.0,
            "patience": 5,
        },
        "data": {"patch_size": 256, "scales": (1,), "dequantise": False},
        "ema_decay": 0.999,
        "skip_gradient_norm": 1e4,
        "eval_every": 500,
        "checkpoint_every": 500,
    }
