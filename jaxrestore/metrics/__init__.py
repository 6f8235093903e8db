"""Image quality under one written protocol (docs/metrics.md)."""

from jaxrestore.metrics.brisque import brisque
from jaxrestore.metrics.diversity import average_pairwise_distance
from jaxrestore.metrics.lpips import LPIPS, load_lpips
from jaxrestore.metrics.quality import lr_psnr, mse, psnr, ssim, ssim_skimage

__all__ = [
    "LPIPS",
    "average_pairwise_distance",
    "brisque",
    "load_lpips",
    "lr_psnr",
    "mse",
    "psnr",
    "ssim",
    "ssim_skimage",
]
