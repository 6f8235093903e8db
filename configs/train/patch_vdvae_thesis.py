"""The PatchVDVAE of the thesis' appendix A.2.1: 30 groups of 12 latents.

    jaxrestore train --config=patch_vdvae_thesis \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/thesis

The thesis reports 700,000 steps; the recipe is that of patch_vdvae_published.py.
"""

from jaxrestore.configs.train import patch_vdvae_published
from jaxrestore.priors.hvae.patch_config import thesis


def get_config():
    recipe = patch_vdvae_published.get_config()
    return recipe | {"model": thesis().to_dict(), "total_steps": 700_000}
