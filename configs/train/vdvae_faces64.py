"""A small VDVAE of grey 64x64 faces.

    python train.py --config=configs/train/vdvae_faces64.py \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/faces64

DIR: folders of 64x64 pictures, aligned faces. The same command resumes.
"""

from jaxrestore.training.config import base_config


def get_config():
    config = base_config()
    config.recipe = "vdvae"
    config.batch_size = 32
    config.model.image_size = 64
    config.model.image_channels = 1
    # What makes a face is decided at 16x16 and below: most channels are there.
    config.model.width = 192
    config.model.custom_widths = "64:16,32:48,16:96"
    config.model.enc_blocks = "64d2,32x1,32d2,16x1,16d2,8x2,8d2,4x2,4d4,1x2"
    config.model.dec_blocks = "1x2,4m1,4x4,8m4,8x6,16m8,16x4,32m16,32x1,64m32"
    config.model.zdim = 16
    config.model.num_mixtures = 5
    config.model.input_shift = -129.0
    config.model.input_scale = 1 / 45
    config.optimizer.learning_rate = 1e-3
    config.optimizer.final_learning_rate = 2e-5
    config.optimizer.warmup = 100
    config.optimizer.decay_start = 1_000
    config.optimizer.clip_norm = 200.0
    config.optimizer.weight_decay = 0.01
    config.data.patch_size = 64
    config.data.scales = (1,)
    config.data.channels = 1
    config.data.dequantise = False
    config.ema_decay = 0.998
    config.skip_gradient_norm = 400.0
    config.total_steps = 6_000
    config.eval_every = 1_000
    config.checkpoint_every = 500
    config.licence = "MIT"
    config.description = "grey 64x64 faces, 12,000 pictures (research use)"
    return config
