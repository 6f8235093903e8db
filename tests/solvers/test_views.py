"""Views of an image: what a network sees, and the way back."""

from dataclasses import replace

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Identity
from jaxrestore.priors import PatchVDVAE
from jaxrestore.solvers import PnPHVAE, restore
from jaxrestore.solvers.views import VIEWS, canvas, see, undo
from tests.oracles.affine_hierarchy import as_arrays, random_hierarchy
from tests.priors.random_weights import TWO_SCALES, random_prior

CONFIG = replace(TWO_SCALES, image_channels=1)
SIDES = st.integers(1, 12)


@hypothesis.given(SIDES, SIDES, st.sampled_from(sorted(VIEWS)), st.integers(0, 3))
@hypothesis.settings(max_examples=15, deadline=None)
def test_what_is_seen_is_undone(height, width, kind, which):
    """Each view is on its own canvas, and shows where which pixel lies."""
    image = jnp.arange(height * width, dtype=jnp.float32).reshape(height, width, 1)
    which %= len(VIEWS[kind])
    whole = canvas(kind, _Prior(), image.shape)
    seen = see(kind, which, image, whole)
    assert seen.shape[:2] == whole
    np.testing.assert_array_equal(undo(kind, which, seen, image.shape), image)
    view = VIEWS[kind][which]
    places = [view.places(a, n, whole[a]) for a, n in enumerate((height, width))]
    np.testing.assert_array_equal(seen, image[np.ix_(*places)])
    assert np.array_equal(seen, see(kind, 0, image, whole)) or which


class _Prior:
    config = CONFIG


def test_views_of_a_kind_differ():
    """In a 5 x 5 image no two views of a kind show the network the same."""
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(5, 5, 1)))
    for kind, views in VIEWS.items():
        whole = canvas(kind, _Prior(), image.shape)
        shown = {see(kind, i, image, whole).tobytes() for i in range(len(views))}
        assert len(shown) == len(views)


@pytest.mark.parametrize(
    "shape", [pytest.param((8, 12), marks=pytest.mark.slow), (7, 9)]
)
def test_the_averaged_mean_is_that_of_the_views(shape):
    prior = random_prior(PatchVDVAE, CONFIG)
    y = np.random.default_rng(0).uniform(size=(*shape, 1)).astype(np.float32)
    method = PnPHVAE(prior, 0.8, 1.0, 0.1, views="shifts", averaged=True)
    found = _once(method, y)
    whole, stride = canvas("shifts", prior, y.shape), CONFIG.stride
    assert whole == tuple(-(-(n + 1) // stride) * stride for n in shape)
    reconstruct = jax.jit(prior.reconstruct)
    seen = [view.see(found.image, whole) for view in VIEWS["shifts"]]
    by_hand = [
        view.undo(reconstruct(x, 0.8, 0.1).mean, shape)
        for view, x in zip(VIEWS["shifts"], seen, strict=True)
    ]
    np.testing.assert_allclose(found.mean, np.mean(by_hand, 0), atol=1e-5)
    assert found.evaluations == 2 + 3
    single = _once(replace(method, averaged=False), y)
    plain = reconstruct(found.image, 0.8, 0.1).mean  # without turns no larger canvas
    np.testing.assert_allclose(single.mean, plain, atol=1e-5)
    assert np.abs(single.mean - found.mean).max() > 1e-3 and single.evaluations == 2


def _once(method, y):
    return restore(method, Observation.create(y, Identity(), 0.1), max_steps=1)


def test_a_prior_of_one_size_is_not_moved():
    y = np.zeros((4, 4, 1), np.float32)
    method = PnPHVAE(as_arrays(random_hierarchy(0)), views="shifts")
    with pytest.raises(InputError, match="views=shifts: moves the image"):
        restore(method, Observation.create(y, Identity(), 0.1))
