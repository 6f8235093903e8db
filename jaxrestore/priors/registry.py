"""Names of architectures (in weight files) and of the bundled weights."""

from typing import Any

from jaxrestore.priors.cae.cae import CAE
from jaxrestore.priors.cae.config import CAEConfig
from jaxrestore.priors.critic import Critic, CriticConfig
from jaxrestore.priors.flow.config import GlowConfig
from jaxrestore.priors.flow.glow import Glow
from jaxrestore.priors.gradient_step import GradientStep, GradientStepConfig
from jaxrestore.priors.hvae.conv_vae import ConvVAE, ConvVAEConfig
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.hvae.lowres_config import LowResConfig
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig
from jaxrestore.priors.hvae.patch_vdvae import PatchVDVAE
from jaxrestore.priors.hvae.vae import VAE, VAEConfig
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.priors.hvae.vdvae_config import VDVAEConfig

# name in the header -> (prior, its config)
ARCHITECTURES: dict[str, tuple[Any, Any]] = {
    "alr": (Critic, CriticConfig),
    "cae": (CAE, CAEConfig),
    "conv_vae": (ConvVAE, ConvVAEConfig),
    "glow": (Glow, GlowConfig),
    "gradient_step": (GradientStep, GradientStepConfig),
    "lowres_encoder": (LowResEncoder, LowResConfig),
    "patch_vdvae": (PatchVDVAE, PatchVDVAEConfig),
    "vae": (VAE, VAEConfig),
    "vdvae": (VDVAE, VDVAEConfig),
}

# name, also of the file in jaxrestore/weights -> SHA-256
_SHA256 = """
9e1aca361e7d298080a01381a33297b012be7c70ca4a0e747aa7b9a08e753b26 alr-natural
64e470324711b03cce316228ba91ad8b61bafd612a94735cf58154b1423740a2 cae-natural
d3e986b5bd335e6005bf8388e99d8fcd7c92081f9b449c5769914a9217d87922 cvdvae-faces64-x2
0cbb7a79711d69d953a683d4372504db736aeddd1ad9fa68e52318b61e264278 cvdvae-faces64-x4
a81d1eed61b6b80bba927c33c7cd8596bd67c95c101821eb25547fa172e38435 cvdvae-faces64-x8
4b83e9528f3de68dffbcefb73f65d0ae0a757bc9d25eee1706fe479559fa9a3d glow-faces64
b624365eb730018ecb17254a7306292b8653e057aaad27c242be6e15a144a598 patch-vdvae-natural
48509f978bdd1476603234124ced8d5b904e3ebd0ac72e6085fd96344b6cd78e vae-faces64
be088ee1859cddf8e480e926a8b4a7e4644fb1417556167ac52b48bed0ccbddc vae-xz-faces64
d49c7b9f06252b082dae79750fcd3bc05ee117ab88689d841e668320a38ba1ac vdvae-faces64
"""
BUNDLED: dict[str, str] = {
    name: digest for digest, name in map(str.split, _SHA256.split("\n")[1:-1])
}
