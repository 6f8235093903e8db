"""Tile by tile is the whole image: networks, solvers, gaps and borders."""

from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Blur
from jaxrestore.operators.kernels import gaussian
from jaxrestore.priors import PatchVDVAE, Tiled
from jaxrestore.priors.hvae.tiled import axis
from jaxrestore.solvers import PnPHVAE, restore
from tests.priors.random_weights import TWO_SCALES as CONFIG
from tests.priors.random_weights import random_prior

# Convolutions one after the other, 2 in a cell: of the finest level (cell, prior,
# residual) 6, of the other, of half resolution, (cell, posterior, residual) 6; and
# blocks of pixels hold together.
REACH = 6 + 6 * 2 + 2
TILE = 52


@pytest.fixture(scope="module")
def prior():
    return random_prior(PatchVDVAE, CONFIG)


@pytest.fixture(scope="module")
def image():
    return jax.random.uniform(jax.random.key(2), (77, 90, 3))


@jax.jit
def _reconstructed(prior, image):
    found = prior.reconstruct(image, jnp.linspace(0.9, 0.6, 2), 0.1)
    return found.mean, found.std, found.log_prior


def test_as_the_whole_image(prior, image):
    whole = _reconstructed(prior, image)
    tiled = Tiled(prior, TILE, REACH)
    for a, b in zip(whole, _reconstructed(tiled, image), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-5)
    assert tiled.work(image.shape) > 1.5  # pixels that are seen more than once
    # Tiles without an overlap have seams.
    apart = Tiled(prior, TILE, 0)
    difference = np.abs(_reconstructed(apart, image)[0] - whole[0])
    (bound,) = axis(78, TILE, 0, CONFIG.stride).bounds[1:-1]
    assert difference[bound - 2 : bound + 2].max() > 1e-3


@pytest.mark.slow
def test_the_fixed_point_has_no_seams(prior, image):
    """Five steps with a schedule and views, which a blur mixes over the whole image."""
    seen = Observation.create(image, Blur(jnp.asarray(gaussian(5, 1.0))), 0.1)

    def run(prior):
        method = PnPHVAE(prior, 0.8, 0.2, 0.1, schedule="4:4", views="shifts")
        return restore(method, seen, max_steps=5, history=True)

    whole, tiled = run(prior), run(Tiled(prior, TILE, REACH))
    np.testing.assert_allclose(tiled.mean, whole.mean, atol=5e-5)
    np.testing.assert_allclose(tiled.image, whole.image, atol=5e-5)
    for name, values in whole.history.items():
        np.testing.assert_allclose(tiled.history[name], values, rtol=1e-3)
    assert tiled.latents == ()


@hypothesis.given(
    st.integers(1, 300), st.integers(1, 20), st.integers(0, 5), st.sampled_from([1, 4])
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_tiles_cover_a_side_and_see_around_what_they_keep(blocks, more, around, stride):
    length, overlap = blocks * stride, around * stride
    tile = 2 * overlap + more * stride
    found = axis(length, tile, overlap, stride)
    assert found.side <= tile and found.side <= length
    assert found.bounds[0] == 0 and found.bounds[-1] == length
    assert (np.diff(found.bounds) > 0).all() or length == 0
    for i, start in enumerate(found.starts):
        low, high = found.bounds[i : i + 2]
        assert start % stride == 0 and 0 <= start <= length - found.side
        assert low == 0 or low - start >= overlap
        assert high == length or start + found.side - high >= overlap


@pytest.mark.parametrize(("tile", "overlap"), [(8, 3), (12, 5), (6, -5)])
def test_overlaps_count_in_strides(prior, tile, overlap):
    """3 pixels at a stride of 2 are 4: they leave nothing of 8."""
    with pytest.raises(InputError, match="overlap"):
        Tiled(prior, tile, overlap).validate()
    Tiled(prior, 16, max(overlap, 0)).validate()


def test_temporaries_are_those_of_a_tile(prior):
    seen = jax.ShapeDtypeStruct((512, 256, 3), "float32")
    program = _reconstructed.lower(Tiled(prior, 64, 16), seen).compile()
    analysis = program.memory_analysis()
    # The padded image alone: 12 bytes a pixel, and a tile's share; whole it is 160.
    assert analysis.temp_size_in_bytes / (512 * 256) < 30


def test_a_tile_that_does_not_fit(prior, image):
    for tiled in (Tiled(prior, 127, 16), Tiled(prior, 32, 16)):
        with pytest.raises(InputError, match="tile="):
            tiled.reconstruct(image, 0.8)
    shape = replace(CONFIG, strides=(1, 4))
    assert Tiled(PatchVDVAE(prior.params, shape), 512).margin == 40
