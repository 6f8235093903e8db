"""Low-resolution encoders in front of OpenAI's VDVAE of faces, as in the thesis.

    python train.py --config=configs/train/cvdvae_ffhq256.py:4 \
        --config.prior=ffhq256.safetensors --config.data.train=DIR \
        --config.data.val=DIR --workdir=runs/ffhq256_x4

:4, :8 or :16 is the factor: 57, 43 or 21 of 66 groups (thesis, table 6.1).
ffhq256.safetensors: the published checkpoint, converted (docs/vdvae.md). DIR: folders
of 256x256 faces; the thesis took 63,000 of FFHQ and four A100 for less than half a day.
The sizes of the encoder are not published: it has the VDVAE's own blocks here.
"""

from jaxrestore.training.config import base_config

# Factor: batch size, learning rate, steps.
_PUBLISHED = {
    "4": (16, 5e-4, 20_000),
    "8": (32, 5e-5, 70_000),
    "16": (64, 5e-6, 20_000),
}


def get_config(factor="4"):
    config = base_config()
    config.recipe = "cvdvae"
    config.prior = ""
    batch_size, rate, steps = _PUBLISHED.get(factor, _PUBLISHED["4"])
    config.batch_size, config.total_steps = batch_size, steps
    config.model.factor = int(factor)
    config.model.groups = 0  # all whose maps are no larger than y
    config.model.enc_blocks = ""
    config.model.bottleneck = 0.0
    config.model.kernel = ""  # antialiased bicubic
    config.optimizer.learning_rate = rate
    config.optimizer.final_learning_rate = rate
    config.optimizer.warmup = 100
    config.optimizer.decay_start = 100
    config.optimizer.clip_norm = 200.0
    config.optimizer.patience = 5  # validations, before the rate is divided by ten
    config.data.patch_size = 256
    config.data.scales = (1,)
    config.data.dequantise = False
    config.ema_decay = 0.999
    config.skip_gradient_norm = 1e4
    config.eval_every = 500
    config.checkpoint_every = 500
    return config
