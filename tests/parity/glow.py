"""The golden files of Glow, as our arrays."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxrestore.convert import from_state_dict, glow
from jaxrestore.parameters import unflatten
from jaxrestore.priors import GlowConfig

CENTRE = 0.5  # their images are on [-1/2, 1/2]
RELATIVE = 1e-4


class Golden:
    """One file; images and latents come as (N, H, W, C)."""

    def __init__(self, request, name):
        """Of the folder that --goldens names."""
        default = Path(__file__).parents[1] / "goldens" / "vble_glow"
        folder = Path(request.config.getoption("--goldens", str(default)))
        with np.load(folder / f"{name}.npz") as file:
            self.arrays = dict(file)
        self.config = json.loads(str(self.arrays.pop("config_json")))

    def __getitem__(self, name):
        return self.arrays[name]

    def maps(self, name):
        return jnp.asarray(self.arrays[name].transpose(0, 2, 3, 1))

    def under(self, prefix):
        """Arrays by what follows a prefix."""
        found = self.arrays.items()
        return {k.removeprefix(prefix): v for k, v in found if k.startswith(prefix)}

    def prior(self):
        """The tiny network of glow_additive, glow_affine or glow_inverse."""
        own = self.config
        count = own["n_block"]
        config = GlowConfig(
            image_size=own["S"],
            steps=(own["n_flow"],) * count,
            widths=(own["width"],) * count,
            coupling="affine" if own["affine"] else "additive",
            mixing="plu" if own["conv_lu"] else "plain_but_last",
        )
        return from_state_dict(self.under("w/"), "glow", config)

    def step(self, prefix):
        """Parameters of one step, stacked (1, ...)."""
        arrays = self.under(prefix)
        by_factors = any(name.endswith("w_p") for name in arrays)
        table = glow._step(by_factors, "", "", 0)
        leaves = {
            t.path[1:]: jnp.asarray(t.layout.ours(arrays[t.name[1:]])[None])
            for t in table
        }
        return unflatten(leaves)

    def zero_convolution(self, prefix):
        arrays = self.under(prefix)
        table = glow._zero_convolution("", "", None)
        return {
            t.path[1:]: jnp.asarray(t.layout.ours(arrays[t.name[1:]])) for t in table
        }


def close(ours, theirs, relative=RELATIVE):
    """Equal up to a share of the largest entry."""
    theirs = np.asarray(theirs)
    assert np.shape(ours) == theirs.shape
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=relative * max(scale, 1e-12))
