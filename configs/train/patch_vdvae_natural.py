"""The bundled prior `patch-vdvae-natural`: a small PatchVDVAE trained for denoising.

    python train.py --config=configs/train/patch_vdvae_natural.py \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/natural

DIR: folders of photographs of any sizes (ours: BSDS500). The same command resumes.
Time and scores: docs/patch-vdvae-natural.md.
"""

from jaxrestore.training.config import base_config


def get_config():
    config = base_config()
    config.recipe = "patch_vdvae"
    config.batch_size = 16
    config.model.strides = (1, 2, 2, 2)
    config.model.groups = (2, 3, 4, 2)
    config.model.cells = (2, 2, 2, 2)
    config.model.top_down_filters = (128, 128, 96, 96)
    config.model.bottom_up_filters = (128, 128, 96, 96)
    config.model.kernel_sizes = (3, 3, 3, 3)
    config.model.latent_channels = 16
    config.model.skip_filters = 64
    config.model.bottleneck_ratio = 0.5
    config.model.posterior_ratio = 0.4
    config.model.posterior_shortcut = True
    config.model.patch = 2
    config.model.noise_input = True
    config.loss.min_noise_std = 0.0
    config.loss.max_noise_std = 50 / 255
    # At weight 1 a nat of latent information buys just a nat of reconstruction, and
    # a short training stays blurred; 0.1 makes detail worth its price.
    config.loss.kl_weight = 0.1
    config.loss.warmup_start = 21
    config.loss.warmup_steps = 300
    config.loss.balance_steps = 300
    config.loss.eval_noise_levels = (0.0, 5.0, 15.0, 25.0, 40.0)
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 1e-3
    config.optimizer.final_learning_rate = 1e-5
    config.optimizer.warmup = 300
    config.optimizer.decay_start = 1_000
    config.data.patch_size = 48
    config.ema_decay = 0.998
    config.skip_gradient_norm = 100.0
    config.total_steps = 20_000
    config.eval_every = 1_000
    config.checkpoint_every = 500
    config.licence = "MIT"
    config.description = "BSDS500 train and test splits, 400 images (research use)"
    return config
