"""The critic `alr-natural`: adversarial local regulariser, white noise of 0.05 to 0.30.

    python train.py --config=configs/train/alr_natural.py --workdir=runs/alr \
        --config.data.train=DIR --config.data.val=DIR

DIR: folders of photographs of any sizes (ours: BSDS500). The same command resumes.
The recipe is the thesis' (Algorithm 1). Variants:

    ...alr_natural.py:0.1          trained on one noise level, 0.1
    --config.data.degraded=DIR --config.data.degraded_val=DIR
        learns what separates these images from those of data.train, whatever it is;
        nothing is paired, numbers and sizes are free, and no noise is added
"""

from jaxrestore.training.config import base_config


def get_config(noise_std=""):
    """`noise_std`: the one level to train on; "": uniform in [0.05, 0.30]."""
    config = base_config()
    config.recipe = "alr"
    config.batch_size = 32  # clean patches, and as many noisy ones
    config.model.widths = (16, 32, 32, 64, 64, 64)
    config.model.image_channels = 3
    config.model.boundary = "symmetric"
    config.loss.penalty_weight = 5.0
    config.loss.interpolation = "batch"  # one number a batch, or "patch": one each
    config.loss.min_noise_std = float(noise_std or 0.05)
    config.loss.max_noise_std = float(noise_std or 0.30)
    config.loss.eval_noise_stds = (0.05, 0.1, 0.15, 0.3)
    config.optimizer.learning_rate = 1e-3
    config.optimizer.final_learning_rate = 1e-4
    config.data.degraded = "same"
    config.data.patch_size = 15
    config.data.scales = (1,)
    config.data.dequantise = False
    config.ema_decay = 0.999
    config.total_steps = 100_000
    config.log_every = 200
    config.eval_every = 5_000
    config.eval_batches = 4
    config.eval_batch_size = 1024
    config.checkpoint_every = 2_000
    config.licence = "MIT"
    config.description = "BSDS500 train and test splits, 400 images (research use)"
    return config
