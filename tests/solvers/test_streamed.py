"""From window to window is the whole run, whatever the schedule, views and size."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Identity
from jaxrestore.priors import PatchVDVAE, Reconstruction, Tiled
from jaxrestore.priors.hvae.tiled import axis
from jaxrestore.pytrees import pytree
from jaxrestore.solvers import TV, PnPHVAE, Status, Stopping, restore
from jaxrestore.solvers.streamed import restore_streamed
from tests.priors.random_weights import TWO_SCALES as CONFIG
from tests.priors.random_weights import random_prior

NOISE = 0.1


@pytree
@dataclass(frozen=True)
class Local:
    """Compiles fast: sees 4 pixels far, in blocks of its stride, neither side alike."""

    weights: Any
    config: Any = field(default=CONFIG, metadata={"static": True})
    num_groups = 2

    def reconstruct(self, image, temperature, encoder_noise=None, inside=None):
        height, width = image.shape[:2]
        padded = jnp.pad(image, ((4, 4), (4, 4), (0, 0)), mode="reflect")
        shifts = [(0, 3), (1, 5), (8, 4), (4, 4)]
        parts = [padded[a : a + height, b : b + width] for a, b in shifts]
        seen = sum(w * p for w, p in zip(self.weights, parts, strict=True))
        blocks = jnp.tile(
            jnp.array([[0.0, 0.1], [0.2, 0.3]]), (height // 2, width // 2)
        )
        mean = jnp.mean(temperature) * seen + blocks[..., None] * image
        std = 0.1 + jnp.abs(seen - image)
        told = 0.0 if encoder_noise is None else encoder_noise
        return Reconstruction(mean - told, std, (), jnp.zeros(2))


def _local(channels, tile=20):
    config = replace(CONFIG, image_channels=channels)
    return Tiled(Local(jnp.array([0.1, 0.25, 0.3, 0.2]), config), tile, 4)  # type: ignore[arg-type]


def _image(*shape):
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


def _streamed(method, y, **rules):
    images = tuple(np.full(y.shape, np.nan, np.float32) for _ in "ab")
    return restore_streamed(method, y, NOISE, images, np.full_like(y, np.nan), **rules)


def _compared(method, y, **rules):
    """Both, equal to rounding."""
    whole = restore(method, Observation.create(y, Identity(), NOISE), **rules)
    own = _streamed(method, y, **rules)
    np.testing.assert_allclose(own.mean, whole.mean, atol=4e-6)
    np.testing.assert_allclose(own.image, whole.image, atol=4e-6)
    np.testing.assert_allclose(own.residual, whole.residual, rtol=1e-4)
    np.testing.assert_allclose(own.temperature, whole.temperature)
    for name in ("steps", "status", "evaluations"):
        assert int(getattr(own, name)) == int(getattr(whole, name)), name
    return own


def _continued(prior, views="shifts"):
    """Along a schedule of more steps than there are views."""
    return PnPHVAE(prior, [0.9, 0.7], 0.3, 0.1, schedule="3:6:0.8", views=views)


@pytest.mark.parametrize(
    ("shape", "views"),
    [((53, 41, 3), "shifts"), ((7, 60, 1), "horizontal"), ((48, 32, 1), "shifts")],
)
def test_equals_the_run_on_the_whole_image(shape, views):
    reports = []
    method, y = _continued(_local(shape[-1]), views), _image(*shape)
    own = _compared(method, y, max_steps=7, stopping=Stopping(tolerance=0))
    assert int(own.steps) == 7 and int(own.status) == Status.MAX_STEPS
    _streamed(method, y, max_steps=1, progress=lambda *a: reports.append(a))
    numbers = [number for number, _ in reports]
    assert numbers == sorted(numbers) and numbers[-1] == 1 and 0 < numbers[0] < 1
    assert np.isinf(reports[0][1]) and np.isfinite(reports[-1][1])


def test_the_rules_are_those_of_restore():
    """With predicted deviations; the same run converges, ends as plateau, diverges."""
    y, method = _image(30, 21, 3), PnPHVAE(_local(3), 0.8, None, None)
    for stopping, status in (
        (Stopping(patience=9, tolerance=0.05), Status.CONVERGED),
        (Stopping(patience=0, improvement=0.999, tolerance=0), Status.PLATEAU),
    ):
        own = _compared(method, y, stopping=stopping, max_steps=4)
        assert int(own.status) == status
    y[3, 5] = np.nan
    own = _streamed(method, y, max_steps=4)
    assert int(own.status) == Status.DIVERGED and int(own.steps) == 0


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_has_no_seams(channels):
    prior = random_prior(PatchVDVAE, replace(CONFIG, image_channels=channels))
    y = _image(53, 41, channels)
    _compared(_continued(Tiled(prior, 28, 4)), y, max_steps=6)


def test_what_needs_the_whole_image():
    y, tiled = _image(30, 21, 3), _local(3)
    for method, named in (
        (TV(1.0), "a TV needs the whole image"),
        (PnPHVAE(tiled.prior), "the prior sees the whole image"),
        (PnPHVAE(tiled, cg_steps=1), "cg_steps=1 needs"),
        (PnPHVAE(tiled, tv_start=2.0), "tv_start=2.0 needs"),
        (PnPHVAE(tiled, views="flips", averaged=True), "averaged=true needs"),
        (PnPHVAE(tiled, decoder_std=y + 0.1), "decoder_std is one for each pixel"),
    ):
        with pytest.raises(InputError, match=named):
            _streamed(method, y)
    with pytest.raises(InputError, match="watch=objective"):
        _streamed(PnPHVAE(tiled), y, stopping=Stopping(patience=2, watch="objective"))
    with pytest.raises(InputError, match="noise_std"):
        restore_streamed(PnPHVAE(tiled), y, 0.0, (y, y), y)
    assert len(axis(54, tiled.tile, tiled.margin, 2).starts) > 3  # tests have tiles
