"""A network that grows from a narrower one."""

import jax
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.priors import PatchVDVAE, PatchVDVAEConfig
from jaxrestore.training.state import grow

pytestmark = pytest.mark.slow


def test_grown_network_computes_the_same():
    narrow = PatchVDVAEConfig(
        strides=(1, 2),
        groups=(1, 2),
        cells=(1, 2),
        top_down_filters=(16, 16),
        bottom_up_filters=(16, 16),
        kernel_sizes=(3, 3),
        latent_channels=4,
        skip_filters=8,
    )
    wide = PatchVDVAEConfig.from_dict(
        {**narrow.to_dict(), "bottleneck_ratio": 0.5, "posterior_ratio": 0.5}
    )
    small = PatchVDVAE.create(narrow, jax.random.key(0))
    fresh = PatchVDVAE.create(wide, jax.random.key(1))
    large = PatchVDVAE(grow(small.params, fresh.params), wide)
    image = jax.random.uniform(jax.random.key(2), (8, 8, 3))
    before, after = small.reconstruct(image, 0.8), large.reconstruct(image, 0.8)
    np.testing.assert_allclose(after.mean, before.mean, atol=1e-5)
    np.testing.assert_allclose(after.log_prior, before.log_prior, rtol=1e-4)

    def loss(params):
        return PatchVDVAE(params, wide).reconstruct(image, 0.8).mean.sum()

    kernel = jax.grad(loss)(large.params)["bottom_up"]["level_1"]["cells"]["expand"]
    assert abs(kernel["kernel"][:, 4:]).max() > 0  # the new channels learn
    with pytest.raises(InputError, match="narrower"):
        grow(large.params, small.params)
