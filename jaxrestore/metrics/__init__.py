"""Image quality under one written protocol (see `quality`), and the noise level."""

from jaxrestore.metrics.noise import estimate_noise_std
from jaxrestore.metrics.quality import psnr, ssim

__all__ = ["estimate_noise_std", "psnr", "ssim"]
