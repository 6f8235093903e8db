"""JPMAP and CSGM: closed forms, descent, the cascade, the continuation."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Blur, Identity, Mask, Matrix
from jaxrestore.priors import VAE, VAEConfig
from jaxrestore.pytrees import pytree
from jaxrestore.solvers import CSGM, JPMAP, Status
from tests.oracles.affine_hierarchy import (
    AffineHierarchy,
    as_arrays,
    exact_hierarchy,
    joint_minimiser,
    random_hierarchy,
)
from tests.priors.random_weights import random_prior
from tests.solvers.problems import KERNEL, gaussian, run

SHAPE, SIGMA, STD = (4, 4, 1), 0.1, 0.2
TINY = VAEConfig(image_size=8, widths=(4, 6), latent_dim=3, initial_std=0.1)
ROWS = np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32) / 20**0.5
OPERATORS = {
    "denoising": Identity(),
    "blur": Blur(jnp.asarray(KERNEL)),
    "mask": Mask((jax.random.uniform(jax.random.key(0), (8, 8, 1)) > 0.5) * 1.0),
    "sensing": Matrix(jnp.asarray(ROWS), (8, 8, 1)),
}


@pytree
@dataclass(frozen=True)
class Deaf:
    """A prior whose encoder says the same of every image."""

    prior: AffineHierarchy

    num_groups = 1

    def reconstruct(self, image, temperature, encoder_noise=None):
        same = 5 * jnp.ones_like(image) * temperature
        return self.prior.reconstruct(same, temperature)

    def at(self, latents, shape):
        return self.prior.at(latents, shape)

    def prior_mean(self, shape):
        return self.prior.prior_mean(shape)


def linear(kind, seed=0):
    """A one-group model with a linear decoder, in float64."""
    return kind(seed, SHAPE, (5,), std=STD, gain=1.0)


def observe(seed=0):
    y = jnp.asarray(np.random.default_rng(seed).uniform(size=SHAPE))
    return gaussian(y, Identity(), jnp.float64(SIGMA))


@pytest.mark.parametrize("kind", [exact_hierarchy, random_hierarchy])
def test_linear_decoder_has_its_closed_form(kind):
    """With the true encoder by alternation alone, with any other by descent."""
    p = linear(kind)
    with jax.enable_x64(True):
        observation = observe()
        result = run(
            JPMAP,
            as_arrays(p, jnp.float64),
            observation,
            tolerance=1e-10,
            descent_tolerance=1e-9,
            max_steps=300,
        )
        image, latents = joint_minimiser(p, np.eye(16), observation.y, SIGMA, STD)
        np.testing.assert_allclose(result.image.ravel(), image, atol=2e-5)
        np.testing.assert_allclose(result.latents[0], latents, atol=2e-4)
        branches = result.history["branch"][: int(result.steps)]
        assert np.all(branches[:3] == 0) == (kind is exact_hierarchy)


def trained_like(key=3):
    """A VAE with large random weights: its encoder knows nothing of its decoder."""
    return random_prior(VAE, TINY, key)


@pytest.mark.slow
@pytest.mark.parametrize("operator", OPERATORS)
def test_j1_never_increases(operator):
    a = OPERATORS[operator]
    clean = jax.random.uniform(jax.random.key(1), (8, 8, 1))
    y = a(clean)
    y = y + SIGMA * jax.random.normal(jax.random.key(2), y.shape)
    observation = gaussian(y, a, jnp.float32(SIGMA))
    settings = {"descent_steps": 100, "max_steps": 12, "tolerance": 0}
    result = run(JPMAP, trained_like(), observation, **settings)
    values = np.asarray(result.history["objective"])[: int(result.steps)]
    assert values.size >= 2 and np.all(np.diff(values) <= 1e-5 * abs(values[0]))
    branches = set(np.asarray(result.history["branch"])[: int(result.steps)])
    assert branches <= {0, 1, 2, 3} and branches & {1, 2}
    assert int(result.gradients) > int(result.steps)


def test_an_encoder_that_hears_nothing_is_replaced_by_descent():
    p = linear(random_hierarchy)
    with jax.enable_x64(True):
        observation = observe()
        result = run(
            JPMAP, Deaf(as_arrays(p, jnp.float64)), observation, descent_tolerance=1e-9
        )
        image, _ = joint_minimiser(p, np.eye(16), observation.y, SIGMA, STD)
        np.testing.assert_allclose(result.image.ravel(), image, atol=1e-3)


def test_where_no_step_lowers_j1_the_run_has_stalled():
    settings = {"tolerance": 0.0, "max_steps": 300, "descent_steps": 50}
    p = as_arrays(linear(random_hierarchy), jnp.float32)
    y = jnp.asarray(np.random.default_rng(0).uniform(size=SHAPE), jnp.float32)
    observation = gaussian(y, Identity(), jnp.float32(SIGMA))
    result = run(JPMAP, p, observation, **settings)
    assert result.status == Status.STALLED
    assert result.history["branch"][int(result.steps) - 1] == 3


@pytest.mark.slow
def test_batch_equals_one_by_one():
    p, y = trained_like(), jax.random.uniform(jax.random.key(4), (3, 8, 8, 1))

    def solve(one):
        observation = gaussian(one, OPERATORS["blur"], jnp.float32(SIGMA))
        return run(JPMAP, p, observation, descent_steps=50, max_steps=8)

    batch = jax.jit(jax.vmap(solve))(y)
    for i, one in enumerate(y):
        alone = solve(one)
        assert batch.steps[i] == alone.steps
        before_last = int(alone.steps) - 1  # the last may turn on rounding
        branches = (r.history["branch"][..., :before_last] for r in (batch, alone))
        np.testing.assert_array_equal(next(branches)[i], next(branches))
        np.testing.assert_allclose(batch.image[i], alone.image, atol=1e-4)


@pytest.mark.slow
def test_continuation_ends_in_the_range_of_the_decoder():
    p = linear(exact_hierarchy)
    with jax.enable_x64(True):
        p, observation = as_arrays(p, jnp.float64), observe()
        loose = run(JPMAP, p, observation, max_steps=1000)
        settings = {"continuation": True, "growth": 40.0, "target": 0.01}
        tight = run(JPMAP, p, observation, max_steps=1000, tolerance=1e-9, **settings)

        def gap(r):
            return float(jnp.sqrt(jnp.mean((r.image - r.mean) ** 2)))

        assert gap(loose) > 0.05
        np.testing.assert_allclose(gap(tight), 0.01, rtol=0.05)
        done = run(JPMAP, p, observation, max_steps=1000, tolerance=1e-2, **settings)
        assert done.status == Status.CONVERGED and gap(done) <= 0.011


def test_csgm_reaches_the_closed_form():
    p = linear(random_hierarchy)
    with jax.enable_x64(True):
        observation = observe()
        result = run(
            CSGM,
            as_arrays(p, jnp.float64),
            observation,
            max_steps=4000,
            tolerance=1e-10,
        )
        w, white = p.decoder_map, p.whiten[0]
        rows = np.concatenate([w / SIGMA, white])
        target = (np.asarray(observation.y).ravel() - p.decoder_offset) / SIGMA
        targets = np.concatenate([target, white @ p.prior_offsets[0]])
        z = np.linalg.lstsq(rows, targets)[0]
        np.testing.assert_allclose(result.latents[0], z, atol=1e-5)
        np.testing.assert_allclose(
            result.mean.ravel(), w @ z + p.decoder_offset, atol=1e-5
        )
        assert int(result.gradients) == int(result.steps) + 1


@pytest.mark.parametrize("solver", [JPMAP, CSGM])
def test_nan_in_status_out(solver):
    y = jnp.full((8, 8, 1), jnp.nan)
    observation = gaussian(y, Identity(), jnp.float32(SIGMA))
    assert run(solver, trained_like(), observation).status == Status.DIVERGED


def test_bad_settings():
    observation = gaussian(jnp.ones((8, 8, 1)), Identity(), jnp.float32(SIGMA))
    with pytest.raises(InputError, match="descent_rate=0"):
        run(JPMAP, trained_like(), observation, descent_rate=0)
    with pytest.raises(InputError, match="descent_steps=0"):
        run(JPMAP, trained_like(), observation, descent_steps=0)
    with pytest.raises(InputError, match="learning_rate=-1"):
        run(CSGM, trained_like(), observation, learning_rate=-1)
    with pytest.raises(
        InputError, match=r"latents have shapes .*expected \[\(1, 1, 3\)"
    ):
        run(CSGM, trained_like(), observation, latents=(jnp.zeros(3),))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("continuation", [False, True])
def test_single_precision_priors_where_double_is_the_default(continuation, dtype):
    with jax.enable_x64(True):
        y = jnp.full((8, 8, 1), 0.5, dtype)
        observation = gaussian(y, Identity(), SIGMA)
        settings = {"continuation": continuation, "descent_steps": 3, "max_steps": 2}
        result = run(JPMAP, trained_like(), observation, **settings)
        assert result.image.dtype == dtype and int(result.steps) > 0
