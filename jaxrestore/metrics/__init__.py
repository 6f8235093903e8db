"""Image quality under one written protocol (docs/metrics.md), and the noise level."""

from jaxrestore.metrics.brisque import brisque
from jaxrestore.metrics.diversity import average_pairwise_distance
from jaxrestore.metrics.lpips import LPIPS, load_lpips
from jaxrestore.metrics.noise import estimate_noise_std
from jaxrestore.metrics.quality import lr_psnr, mse, psnr, ssim, ssim_skimage

__all__ = [
    "LPIPS",
    "average_pairwise_distance",
    "brisque",
    "estimate_noise_std",
    "load_lpips",
    "lr_psnr",
    "mse",
    "psnr",
    "ssim",
    "ssim_skimage",
]
