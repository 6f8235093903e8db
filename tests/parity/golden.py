"""The authors' tiny random PatchVDVAE and what their code made of it.

Arrays in tests/data are (B, H, W, C); full-resolution results keep every n-th pixel.
"""

from pathlib import Path

import numpy as np

from jaxrestore.convert import from_state_dict
from jaxrestore.priors import PatchVDVAE, PatchVDVAEConfig

DATA = Path(__file__).parent.parent / "data"

CONFIG = PatchVDVAEConfig(
    groups=(2,) * 6,
    cells=(2,) * 6,
    top_down_filters=(16,) * 6,
    bottom_up_filters=(16, 16, 16, 16, 16, 8),
    latent_channels=4,
    skip_filters=8,
)


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def weights() -> dict[str, np.ndarray]:
    arrays = load("patchvdvae_tiny")
    return {k.removeprefix("w/"): v for k, v in arrays.items() if k.startswith("w/")}


def prior() -> PatchVDVAE:
    return from_state_dict(weights(), "patch_vdvae", CONFIG)


def thin(array, like: np.ndarray) -> np.ndarray:
    """Every n-th pixel of (..., H, W, C), so that it has the stored size."""
    array = np.asarray(array)
    step = array.shape[-3] // like.shape[-3]
    return array[..., ::step, ::step, :]
