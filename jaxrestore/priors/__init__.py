"""Densities, encoders and decoders of images: the priors."""

from jaxrestore.priors.base import (
    Decodes,
    Density,
    Proposes,
    Reconstruction,
    Reconstructs,
    TemperedDraw,
)
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
from jaxrestore.priors.hvae.split_encoder import SplitVDVAE
from jaxrestore.priors.hvae.tiled import Tiled
from jaxrestore.priors.hvae.vae import VAE, VAEConfig
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.priors.hvae.vdvae_config import VDVAEConfig
from jaxrestore.priors.smoothed_tv import SmoothedTV
from jaxrestore.priors.weights import (
    load_encoder,
    load_prior,
    read_metadata,
    save_prior,
)

__all__ = [
    "CAE",
    "CAEConfig",
    "ConvVAE",
    "ConvVAEConfig",
    "Critic",
    "CriticConfig",
    "Decodes",
    "Density",
    "Glow",
    "GlowConfig",
    "GradientStep",
    "GradientStepConfig",
    "LowResConfig",
    "LowResEncoder",
    "PatchVDVAE",
    "PatchVDVAEConfig",
    "Proposes",
    "Reconstruction",
    "Reconstructs",
    "SmoothedTV",
    "SplitVDVAE",
    "TemperedDraw",
    "Tiled",
    "VAE",
    "VAEConfig",
    "VDVAE",
    "VDVAEConfig",
    "load_encoder",
    "load_prior",
    "read_metadata",
    "save_prior",
]
