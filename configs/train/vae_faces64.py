"""A plain convolutional VAE of grey 64x64 faces, for JPMAP.

    python train.py --config=configs/train/vae_faces64.py \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/vae

DIR: folders of 64x64 pictures, aligned faces. The same command resumes.
"""

from jaxrestore.training.config import base_config


def get_config():
    config = base_config()
    config.recipe = "vae"
    config.batch_size = 64
    config.model.image_size = 64
    config.model.image_channels = 1
    config.model.widths = (32, 64, 96, 128)
    config.model.latent_dim = 64
    config.model.initial_std = 0.2
    config.loss.noise_std = 15 / 255  # what the encoder's input gets
    config.loss.eval_noise_levels = (0, 15, 50)  # of 255
    config.optimizer.learning_rate = 1e-3
    config.optimizer.final_learning_rate = 1e-5
    config.optimizer.warmup = 100
    config.optimizer.clip_norm = 1.0
    config.optimizer.decay_start = 2_000
    config.data.patch_size = 64
    config.data.scales = (1,)
    config.data.channels = 1
    config.ema_decay = 0.998
    config.skip_gradient_norm = 1e4
    config.total_steps = 10_000
    config.log_every = 100
    config.eval_every = 1_000
    config.checkpoint_every = 500
    config.licence = "MIT"
    config.description = "grey 64x64 faces, 12,000 pictures (research use)"
    return config
