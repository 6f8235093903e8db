"""The recipes' shipped configs with networks small enough to train within a test."""

from dataclasses import replace

from configs.train import (
    alr_natural,
    cvdvae_faces64,
    patch_vdvae_natural,
    vae_faces64,
    vdvae_faces64,
)
from tests.priors.test_tools import GREY


def alr():
    config = alr_natural.get_config()
    config.model.widths = (4, 4)
    config.optimizer.learning_rate = 1e-2
    config.eval_batch_size = 64
    config.ema_decay = 0.5
    config.data.patch_size = 7
    return config


# A prior for `cvdvae`.
TINY = replace(
    GREY,
    enc_blocks="8d2,4d2,2x1",
    dec_blocks="2x1,4m2,8m4",
)


def cvdvae():
    """Needs `prior`, such as the file of `tiny_prior`."""
    config = cvdvae_faces64.get_config("2")
    config.model.enc_blocks, config.model.bottleneck = "", 0.25
    config.optimizer.warmup, config.optimizer.decay_start = 2, 50
    config.optimizer.learning_rate = 1e-2
    config.data.patch_size = 8
    return config


def patch_vdvae():
    config = patch_vdvae_natural.get_config()
    config.model.strides = (1, 2)
    config.model.groups = (1, 1)
    config.model.cells = (1, 1)
    config.model.top_down_filters = config.model.bottom_up_filters = (8, 8)
    config.model.kernel_sizes = (3, 3)
    config.model.latent_channels = 4
    config.model.skip_filters = 8
    config.optimizer.warmup, config.optimizer.decay_start = 2, 50
    config.optimizer.learning_rate = 1e-2
    config.loss.warmup_steps = 20
    config.data.patch_size = 8
    return config


def vae():
    config = vae_faces64.get_config()
    config.model.image_size, config.data.patch_size = 8, 8
    config.model.widths, config.model.latent_dim = (4, 8), 4
    config.optimizer.warmup, config.optimizer.decay_start = 2, 50
    config.optimizer.learning_rate = 1e-2
    return config


def vdvae():
    config = vdvae_faces64.get_config()
    config.model.image_size = 8
    config.model.width = 8
    config.model.custom_widths = ""
    config.model.enc_blocks = "8d4,2x1"
    config.model.dec_blocks = "2x1,8m2"
    config.model.zdim = 2
    config.model.num_mixtures = 2
    config.optimizer.warmup, config.optimizer.decay_start = 2, 50
    config.optimizer.learning_rate = 1e-2
    config.data.patch_size = 8
    return config


RECIPES = {
    "alr": alr,
    "cvdvae": cvdvae,
    "patch_vdvae": patch_vdvae,
    "vae": vae,
    "vdvae": vdvae,
}
