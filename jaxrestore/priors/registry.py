"""Names of architectures (in weight files) and of the bundled weights."""

from typing import Any

from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig
from jaxrestore.priors.hvae.patch_vdvae import PatchVDVAE
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.priors.hvae.vdvae_config import VDVAEConfig

# name in the header -> (prior, its config)
ARCHITECTURES: dict[str, tuple[Any, Any]] = {
    "patch_vdvae": (PatchVDVAE, PatchVDVAEConfig),
    "vdvae": (VDVAE, VDVAEConfig),
}

# name -> (file in jaxrestore/weights, SHA-256)
BUNDLED: dict[str, tuple[str, str]] = {
    "patch-vdvae-natural": (
        "patch-vdvae-natural.safetensors",
        "751354806fd2c865a18f3da325f608a68c4d5f3d15a72eb057976e541ed23602",
    ),
}
