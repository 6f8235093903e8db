"""Adam on J1(x, z): closed forms on affine hierarchies, and what it reports."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Identity, Matrix
from jaxrestore.priors import PatchVDVAE, PatchVDVAEConfig
from jaxrestore.solvers import JointMAP, PnPHVAE, Status
from tests.oracles.affine_hierarchy import (
    as_arrays,
    exact_hierarchy,
    joint_minimiser,
    random_hierarchy,
)
from tests.priors.random_weights import random_prior
from tests.solvers.problems import gaussian, observations, observe, prior, run

STD, SIGMA = 0.2, 0.05


@pytest.mark.parametrize("tau", [(0.75, 0.75), (0.9, 0.5)])
def test_reaches_the_closed_form_minimiser(tau):
    shape, rng = (4, 4, 1), np.random.default_rng(0)
    p = random_hierarchy(0, shape, (3, 4), gain=0.3)
    matrix = np.eye(16) + rng.normal(size=(16, 16)) / 16  # well conditioned
    y = rng.uniform(size=shape)
    image, latents = joint_minimiser(p, matrix, y, SIGMA, STD, tau)
    with jax.enable_x64(True):
        operator = Matrix(jnp.asarray(matrix), shape)
        result = run(
            JointMAP,
            as_arrays(p, jnp.float64),
            gaussian(jnp.asarray(y.ravel()), operator, jnp.float64(SIGMA)),
            temperature=jnp.asarray(tau),
            decoder_std=jnp.float64(STD),
            max_steps=4000,
            tolerance=1e-11,
        )
        assert result.status == Status.CONVERGED
        np.testing.assert_allclose(result.image.ravel(), image, atol=1e-6)
        np.testing.assert_allclose(np.concatenate(result.latents), latents, atol=1e-6)
        mean = p.decoder_map @ latents + p.decoder_offset
        np.testing.assert_allclose(result.mean.ravel(), mean, atol=1e-6)


@pytest.mark.slow
def test_agrees_with_pnp_hvae_where_both_minimise_j1():
    """tau = 1 and q = p(z | x): Algorithm 4 alternates exact minimisations of J1."""
    with jax.enable_x64(True):
        shape = (4, 4, 1)
        p = as_arrays(exact_hierarchy(0, shape, std=STD, gain=1.0), jnp.float64)
        y = jnp.asarray(np.random.default_rng(0).uniform(size=shape))
        observation = gaussian(y, Identity(), jnp.float64(SIGMA))
        settings = {"temperature": jnp.float64(1), "decoder_std": jnp.float64(STD)}
        settings |= {"max_steps": 4000, "tolerance": 1e-11}
        adam = run(JointMAP, p, observation, **settings)
        alternating = run(PnPHVAE, p, observation, **settings)
        np.testing.assert_allclose(adam.image, alternating.image, atol=1e-6)
        assert int(adam.gradients) == int(adam.steps) + 1
        assert int(alternating.evaluations) == int(alternating.steps) + 1
        assert int(alternating.gradients) == 0
        last = (r.history["objective"][int(r.steps) - 1] for r in (adam, alternating))
        np.testing.assert_allclose(*last, rtol=1e-8)


def test_first_step_has_the_length_of_the_learning_rate():
    p, observation = prior(), observe(observations(0, 1)[0])
    z0 = jax.jit(p.reconstruct)(observation.initial_image(), 0.5).latents
    result = run(JointMAP, p, observation, learning_rate=0.001, max_steps=1, latents=z0)
    moved = result.image - observation.initial_image(), result.latents[0] - z0[0]
    for change in moved:
        np.testing.assert_allclose(np.abs(change), 0.001, rtol=1e-3)
    assert (int(result.evaluations), int(result.gradients)) == (2, 2)


@pytest.mark.slow
def test_a_batch_equals_one_by_one():
    p, y = prior(), observations(3, 2)

    def solve(one):
        settings = {"decoder_std": STD, "tolerance": 1e-3, "max_steps": 60}
        return run(JointMAP, p, observe(one), **settings)

    batch = jax.vmap(solve)(y)
    for i, one in enumerate(y):
        alone = solve(one)
        assert batch.steps[i] == alone.steps
        assert batch.evaluations[i] == alone.evaluations == alone.steps + 2
        np.testing.assert_allclose(batch.image[i], alone.image, atol=1e-4)


def test_nan_in_status_out():
    y = observations(0, 1)[0].at[0, 0, 0].set(jnp.nan)
    assert run(JointMAP, prior(), observe(y), max_steps=60).status == Status.DIVERGED


def test_bad_settings():
    observation = observe(observations(0, 1)[0])
    with pytest.raises(InputError, match="learning_rate=0"):
        run(JointMAP, prior(), observation, learning_rate=0)
    with pytest.raises(InputError, match="watch=loss"):
        run(JointMAP, prior(), observation, watch="loss")


@pytest.mark.slow
def test_network_at_given_latents():
    """`at` is decode and log_prior in one walk, and its gradient the difference."""
    config = PatchVDVAEConfig(
        strides=(1, 2),
        groups=(1, 1),
        cells=(1, 1),
        top_down_filters=(4, 4),
        bottom_up_filters=(4, 4),
        kernel_sizes=(3, 3),
        latent_channels=2,
        skip_filters=4,
    )
    p = random_prior(PatchVDVAE, config)
    rng = np.random.default_rng(0)
    shapes = [(4, 4, 2), (8, 8, 2)]
    z, d = (tuple(jnp.float32(rng.normal(size=s)) for s in shapes) for _ in range(2))

    @jax.jit
    @jax.value_and_grad
    def score(latents):
        decoded = p.at(latents, (7, 8))
        return jnp.sum(decoded.mean * decoded.std) + jnp.mean(decoded.log_prior)

    value, slope = score(z)
    parts = jax.jit(lambda z: (*p.decode(z, (7, 8)), p.at(z, (7, 8)).log_prior))
    mean, std, log_prior = parts(z)
    expected = jnp.sum(mean * std) + jnp.mean(log_prior)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    along = sum(jnp.vdot(a, b) for a, b in zip(slope, d, strict=True))
    step = 1e-3
    ahead, back = (
        score(jax.tree.map(lambda a, b, s=s: a + s * step * b, z, d))[0]
        for s in (1, -1)
    )
    np.testing.assert_allclose(along, (ahead - back) / (2 * step), rtol=0.03)
