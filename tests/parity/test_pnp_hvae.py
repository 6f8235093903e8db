"""Our PnP-HVAE follows the authors' iterates, the data step being exact in both.

Their mu_0 is decoded from untempered latents, Algorithm 4 tempers them from the
start: we therefore begin at their x_1 and compare everything after it.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.operators import Blur, Downsample, Mask
from jaxrestore.solvers import PnPHVAE
from tests.parity import golden
from tests.solvers.problems import gaussian, run

pytestmark = pytest.mark.slow


def _operator(name, stored):
    if "inpainting" in name:
        return Mask(jnp.asarray(stored["mask"], jnp.float32)[..., None])
    kernel = jnp.asarray(stored["kernel"])
    return Blur(kernel) if name == "deblurring" else Downsample(kernel, 4)


@pytest.mark.parametrize(
    "name", ["deblurring", "inpainting", "sr4", "vdvae_inpainting"]
)
def test_trajectory(name):
    stored = golden.load(f"pnp_{name}")
    observation = gaussian(
        jnp.asarray(stored["y"]), _operator(name, stored), float(stored["sigma"])
    )
    steps = len(stored["x"]) - 1
    ours = run(
        PnPHVAE,
        golden.vdvae() if "vdvae" in name else golden.prior(),
        observation,
        temperature=stored["T"],
        decoder_std=float(stored["decoder_std"]),
        max_steps=steps,
        tolerance=0.0,
        start=jnp.asarray(stored["x_1"]),
    )
    assert int(ours.steps) == steps
    # Five times the authors' own error against float64; the FFT adds about 1e-6.
    atol = 5 * float(max(stored["x_err"].max(), stored["mu_err"].max())) + 2e-6
    last, mean = stored["x"][-1], stored["mu"][-1]
    np.testing.assert_allclose(golden.thin(ours.image, last), last, atol=atol)
    np.testing.assert_allclose(golden.thin(ours.mean, mean), mean, atol=atol)
    assert ours.history is not None
    theirs = stored["objective"][1:]
    if "inpainting" in name:  # they also count the noise that y holds in its holes
        holes = stored["y"][~stored["mask"]]
        theirs = theirs - np.sum(holes**2) / (2 * stored["sigma"] ** 2)
    np.testing.assert_allclose(ours.history["objective"], theirs, rtol=1e-4)
