"""The released PatchVDVAE: 36 groups, 14,770,942 parameters, 8-bit natural images.

    python train.py --config=configs/train/patch_vdvae_published.py \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/published

The authors trained it for 500,000 to 600,000 steps on DIV2K and Flickr2K patches on
four GPUs. We have not trained it to the end: no score is claimed here.
"""

from jaxrestore.training.config import base_config


def get_config():
    config = base_config()
    config.recipe = "patch_vdvae"
    config.batch_size = 64
    config.model.strides = (1, 4, 2, 2, 2, 2)
    config.model.groups = (6, 6, 6, 6, 6, 6)
    config.model.cells = (5, 5, 5, 5, 5, 5)
    config.model.top_down_filters = (256, 256, 256, 256, 256, 256)
    config.model.bottom_up_filters = (256, 256, 256, 256, 256, 128)
    config.model.kernel_sizes = (1, 3, 3, 3, 3, 3)
    config.model.latent_channels = 16
    config.model.skip_filters = 64
    config.model.noise_input = False
    config.model.compute_dtype = "float32"
    config.loss.min_noise_std = 0.0
    config.loss.max_noise_std = 0.0
    config.loss.kl_weight = 1.0
    config.loss.warmup_start = 21
    config.loss.warmup_steps = 5_000
    config.loss.balance_steps = 10_000
    config.loss.eval_noise_levels = (0.0, 5.0, 15.0, 25.0)
    config.optimizer.name = "adamax"
    config.optimizer.learning_rate = 1e-3
    config.optimizer.final_learning_rate = 2e-4
    config.optimizer.warmup = 100
    config.optimizer.decay_start = 50_000
    config.data.patch_size = 128
    config.ema_decay = 0.9999
    config.skip_gradient_norm = 800.0
    config.total_steps = 500_000
    config.eval_every = 5_000
    config.checkpoint_every = 2_000
    return config
