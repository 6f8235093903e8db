"""The PatchVDVAE of the thesis' appendix A.2.1: 30 groups of 12 latents.

    python train.py --config=configs/train/patch_vdvae_thesis.py \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/thesis

The thesis reports 700,000 steps; the recipe is that of patch_vdvae_published.py.
"""

from configs.train import patch_vdvae_published


def get_config():
    config = patch_vdvae_published.get_config()
    config.model.groups = (5, 5, 5, 5, 5, 5)
    config.model.bottom_up_filters = (256, 256, 256, 256, 256, 256)
    config.model.latent_channels = 12
    config.total_steps = 700_000
    return config
