"""The authors' tiny random PatchVDVAE and VDVAE and what their code made of them.

Arrays in tests/data are (B, H, W, C); full-resolution results keep every n-th pixel.
"""

from pathlib import Path

import numpy as np

from jaxrestore.convert import from_state_dict
from jaxrestore.priors import VDVAE, PatchVDVAE, PatchVDVAEConfig, VDVAEConfig

DATA = Path(__file__).parent.parent / "data"

CONFIG = PatchVDVAEConfig(
    groups=(2,) * 6,
    cells=(2,) * 6,
    top_down_filters=(16,) * 6,
    bottom_up_filters=(16, 16, 16, 16, 16, 8),
    latent_channels=4,
    skip_filters=8,
)

# With the conventions of PnP-HVAE for the 5-bit network of faces.
VDVAE_CONFIG = VDVAEConfig(
    image_size=32,
    width=16,
    zdim=4,
    enc_blocks="32x1,32d2,16x1,16d2,8x1,8d2,4x1,4d4,1x2",
    dec_blocks="1x1,4m1,4x2,8m4,8x1,16m8,16x1,32m16,32x1",
    no_bias_above=16,
    low_bit=True,
    input_shift=-112.8666757481,
    input_scale=0.014316842639918864,
    input_factor=256.0,
    mean_shift=4 / 255,
    variance_range=(0.004, 0.5),
)


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def weights(name: str = "patchvdvae_tiny") -> dict[str, np.ndarray]:
    arrays = load(name)
    return {k.removeprefix("w/"): v for k, v in arrays.items() if k.startswith("w/")}


def prior() -> PatchVDVAE:
    return from_state_dict(weights(), "patch_vdvae", CONFIG)


def vdvae() -> VDVAE:
    return from_state_dict(weights("vdvae_tiny"), "vdvae", VDVAE_CONFIG)


def thin(array, like: np.ndarray) -> np.ndarray:
    """Every n-th pixel of (..., H, W, C), so that it has the stored size."""
    array = np.asarray(array)
    step = array.shape[-3] // like.shape[-3]
    return array[..., ::step, ::step, :]
