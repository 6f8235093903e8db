"""One image over eight devices: the same result, a share of memory, no gathering."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.mesh import by_rows, rows_mesh, shared_rows, whole
from jaxrestore.operators import Blur, Downsample, Mask
from jaxrestore.operators.fourier import irfft2, rfft2
from jaxrestore.operators.kernels import gaussian
from jaxrestore.priors import Critic, CriticConfig, PatchVDVAE
from jaxrestore.solvers import PnPHVAE, Variational, restore
from jaxrestore.solvers.restore import memory, program
from tests.priors.random_weights import random_prior
from tests.priors.test_tiled import CONFIG

KERNEL = jnp.asarray(gaussian(5, 1.0))
pytestmark = pytest.mark.skipif(jax.device_count() < 8, reason="needs eight devices")


@pytest.fixture(scope="module")
def mesh():
    return rows_mesh(jax.devices()[:8])


def _compiled(function, mesh, operator, *images):
    with shared_rows(mesh):
        arguments = whole(operator, mesh), *by_rows(images, mesh)
        compiled = jax.jit(function).lower(*arguments).compile()
        return compiled, compiled(*arguments)


@pytest.mark.parametrize("width", [12, 13, 33])
def test_fourier_transforms_go_from_rows_to_columns(mesh, width):
    image = jax.random.normal(jax.random.key(0), (16, width, 2))
    compiled, found = _compiled(lambda _, x: rfft2(x), mesh, None, image)
    assert "all-gather" not in compiled.as_text()
    assert found.sharding.spec == PartitionSpec(None, "rows")
    assert found.shape[1] % 8 == 0
    expected = rfft2(image)
    columns = expected.shape[1]
    np.testing.assert_allclose(found[:, :columns], expected, atol=1e-4)
    assert not np.any(found[:, columns:])
    _, back = _compiled(lambda _, x: irfft2(rfft2(x), (16, width)), mesh, None, image)
    np.testing.assert_allclose(back, image, atol=1e-5)


@pytest.mark.parametrize("operator", [Blur(KERNEL), Downsample(KERNEL, 2)])
def test_data_steps_gather_nothing(mesh, operator):
    image = jax.random.uniform(jax.random.key(1), (32, 18, 3))
    y = operator(image)

    def step(operator, y, x):
        return operator.tikhonov(y, x, 0.1)

    compiled, found = _compiled(step, mesh, operator, y, 0 * image)
    text = compiled.as_text()
    assert "all-to-all" in text and "all-gather" not in text
    expected = jax.jit(step)(operator, y, 0 * image)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_the_whole_restoration(mesh, masked):
    prior = random_prior(PatchVDVAE, CONFIG)
    image = jax.random.uniform(jax.random.key(2), (128, 66, 3))
    seen = np.random.default_rng(0).random((128, 66, 1)) > 0.2
    blur = Blur(KERNEL)
    operator = Mask(np.float32(seen)) @ blur if masked else blur
    observation = Observation.create(operator(image), operator, 0.1)
    method = PnPHVAE(prior, 0.8, 0.2, 0.1, schedule="4:3", views="flips")
    asked = {"max_steps": 4, "history": True}
    text = program(method, observation, mesh=mesh, **asked).as_text()
    assert "collective-permute" in text and "all-gather" not in text
    alone, each = (memory(method, observation, mesh=m, **asked) for m in (None, mesh))
    assert each < alone / 6
    one = restore(method, observation, **asked)
    many = restore(method, observation, mesh=mesh, **asked)
    assert {len(a.sharding.device_set) for a in jax.tree.leaves(many)} == {8}
    np.testing.assert_allclose(many.image, one.image, atol=1e-5)
    np.testing.assert_allclose(many.mean, one.mean, atol=1e-5)
    np.testing.assert_allclose(
        many.history["objective"], one.history["objective"], rtol=1e-5
    )


@pytest.mark.parametrize("turns", [False, True], ids=["upright", "turned"])
def test_a_critic_shares_memory_too(mesh, turns):
    critic = Critic.create(CriticConfig((8, 8)), jax.random.key(1))
    image = jax.random.uniform(jax.random.key(2), (64, 56, 3))
    observation = Observation.create(Blur(KERNEL)(image), Blur(KERNEL), 0.1)
    method, asked = Variational(critic, weight=0.3, turns=turns), {"max_steps": 5}
    alone, each = (memory(method, observation, mesh=m, **asked) for m in (None, mesh))
    assert each < alone / 4
    one = restore(method, observation, **asked)
    many = restore(method, observation, mesh=mesh, **asked)
    np.testing.assert_allclose(many.image, one.image, atol=1e-4)


def test_rows_that_do_not_split(mesh):
    with pytest.raises(InputError, match="30 rows does not split over 8 devices"):
        by_rows(np.zeros((30, 4, 3), np.float32), mesh)
