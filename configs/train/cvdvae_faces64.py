"""Low-resolution encoders in front of the frozen `vdvae-faces64`.

    python train.py --config=configs/train/cvdvae_faces64.py:4 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/x4

:2, :4 or :8 is the factor. DIR: folders of 64x64 pictures, aligned faces. The same
command resumes.
"""

from jaxrestore.training.config import base_config

# One or two blocks more than the VDVAE's own on maps of y's size.
_BOTTOM_UP = {
    "2": "32x3,32x1,32d2,16x1,16d2,8x2,8d2,4x2,4d4,1x2",
    "4": "16x3,16x1,16d2,8x2,8d2,4x2,4d4,1x2",
    "8": "8x2,8d2,4x2,4d4,1x2",
}


def get_config(factor="4"):
    config = base_config()
    config.recipe = "cvdvae"
    config.prior = "vdvae-faces64"
    config.batch_size = 32
    config.model.factor = int(factor)
    config.model.groups = 0  # all whose maps are no larger than y
    config.model.enc_blocks = _BOTTOM_UP.get(factor, "")
    config.model.bottleneck = 0.21  # 40 of 192 channels: the three fit into 6 MB
    config.model.kernel = ""  # antialiased bicubic
    config.optimizer.learning_rate = 1e-3
    config.optimizer.final_learning_rate = 1e-5
    config.optimizer.warmup = 100
    config.optimizer.decay_start = 500
    config.optimizer.clip_norm = 10.0
    config.optimizer.patience = 3  # validations, before the rate is divided by ten
    config.data.patch_size = 64
    config.data.scales = (1,)
    config.data.channels = 1
    config.data.dequantise = False
    config.ema_decay = 0.998
    config.skip_gradient_norm = 1e4
    config.total_steps = 8_000
    config.eval_every = 250
    config.eval_batches = 4
    config.checkpoint_every = 250
    config.licence = "MIT"
    config.description = "grey 64x64 faces, 12,000 pictures (research use)"
    return config
