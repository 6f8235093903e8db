"""The simulated satellite: its optics, its noise, and the experiment."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.experiments.satellite import PEAK, grounds, observed, optics
from jaxrestore.operators import Identity
from jaxrestore.priors import CAE, CAEConfig, save_prior
from tests.priors.random_weights import random_prior


@pytest.mark.parametrize("transfer", [0.05, 0.15, 0.5])
def test_the_transfer_at_half_a_cycle_per_pixel(transfer):
    stripes = jnp.ones((32, 32, 1)).at[::2].set(-1.0)
    np.testing.assert_allclose(optics(transfer)(stripes), transfer * stripes, atol=1e-4)


def test_the_ground_is_grey_and_of_12_bits():
    pixels = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    (ground,) = grounds({"a": pixels}, 2).values()
    assert ground.shape == (4, 3, 1) and ground.dtype == np.float32
    np.testing.assert_allclose(PEAK * ground, np.round(PEAK * ground), atol=1e-3)
    luma = pixels[:2, :2] @ np.array([0.299, 0.587, 0.114])
    assert ground[0, 0, 0] == pytest.approx(luma.mean(), abs=1e-3)
    with pytest.raises(InputError, match="--reduce=8: image a has 9 x 7"):
        grounds({"a": pixels}, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_noise_is_what_the_methods_are_told(channels):
    levels = jnp.array([100.0, 1000.0, 3000.0])[:, None, None] / PEAK
    ground = jnp.broadcast_to(levels, (3, 4000, 1))
    seen = observed(jax.random.key(0), ground, Identity(), 9.0, 0.2, channels)
    assert seen.y.shape == (3, 4000, channels)
    values = np.asarray(PEAK * seen.y)
    np.testing.assert_allclose(values, np.round(values), atol=1e-3)
    expected = 9.0 + 0.2 * PEAK * np.asarray(levels)[:, 0, 0] + 1 / 12
    np.testing.assert_allclose(values[..., 0].var(1), expected, rtol=0.1)
    told = PEAK * np.asarray(seen.noise.std)
    np.testing.assert_allclose((told**2).mean((1, 2)), channels * expected, rtol=0.02)
    # The evidence of the whole image counts once.
    nats = seen.neg_log_likelihood(jnp.repeat(ground, channels, -1))
    assert float(nats) == pytest.approx(3 * 4000 / 2, rel=0.05)


@pytest.mark.slow
def test_the_experiment(experiment, folder):
    prior = random_prior(CAE, CAEConfig("mean", 4, 3))
    save_prior(prior, folder / "cae.safetensors", {})
    methods = ["VBLE", "PnP-HVAE", "total variation"]
    flags = f"--methods={','.join(methods)}", "--hvae={}/patch.safetensors"
    rows = experiment("satellite", *flags, prior="cae")
    assert [row["method"] for row in rows] == ["start", *methods]
    values = {row["method"]: float(row["psnr"]) for row in rows}
    assert values["total variation"] > values["start"]
    assert 0 <= float(rows[1]["covered_0.9"]) <= 1
