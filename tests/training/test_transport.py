"""Criteria beside the thesis': quadratic critics, gradient-step denoisers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore.priors import Critic, CriticConfig, GradientStep, GradientStepConfig
from jaxrestore.training.recipes.adversarial import transport_criterion
from jaxrestore.training.recipes.alr import ALRRecipe
from jaxrestore.training.recipes.gradient_step import GradientStepRecipe
from tests.training import tiny

COUNT, WIDTH = 4000, 3


def clouds(seed=0):
    return jax.random.normal(jax.random.key(seed), (2, COUNT, WIDTH))


def test_criterion_of_an_affine_potential():
    """r(z, t) = a.z - b t: every term is known."""
    (clean, degraded), a, b = clouds(), jnp.array([1.0, -2.0, 0.5]), 0.7
    alpha = jnp.linspace(0, 1, COUNT)
    terms = transport_criterion(lambda z, t: z @ a - b * t, clean, degraded, alpha, 2.0)
    gap = (degraded.mean(0) - clean.mean(0)) @ a - b
    penalty = (-b + a @ a / 2) ** 2
    np.testing.assert_allclose(terms.gap, gap, rtol=1e-4)
    np.testing.assert_allclose(terms.penalty, penalty, rtol=1e-4)
    np.testing.assert_allclose(terms.loss, 2 * penalty - gap, rtol=1e-4)
    np.testing.assert_allclose(terms.slopes, jnp.linalg.norm(a), rtol=1e-4)


def stretched(z, t, s=1.6):
    """The potential of z -> s z, by the Hopf-Lax formula."""
    return (s - 1) * jnp.sum(z**2, 1) / (2 * (1 + t * (s - 1)))


def test_at_the_solution_the_gap_is_half_the_squared_distance():
    """N(0, I) to N(0, s^2 I): W_2^2 = d (s - 1)^2, and x - grad r(x, 1) = x / s."""
    clean, s = clouds()[0], 1.6
    alpha = jax.random.uniform(jax.random.key(1), (COUNT,))
    terms = transport_criterion(stretched, clean, s * clean, alpha, 1.0)
    assert terms.penalty < 1e-9
    expected = jnp.mean(jnp.sum(clean**2, 1)) * (s - 1) ** 2 / 2
    np.testing.assert_allclose(terms.gap, expected, rtol=1e-4)
    gradient = jax.grad(lambda z: stretched(z, jnp.ones(COUNT)).sum())(s * clean)
    np.testing.assert_allclose(s * clean - gradient, clean, atol=1e-5)


def test_no_multiple_of_the_solution_does_better():
    """Among multiples of it the criterion is least at the solution."""
    clean, degraded = clouds()
    degraded, alpha = 1.6 * degraded, jax.random.uniform(jax.random.key(1), (COUNT,))

    def loss(scale, weight):
        by = lambda z, t: scale * stretched(z, t)  # noqa: E731
        return transport_criterion(by, clean, degraded, alpha, weight).loss

    for weight in (20.0, 200.0):
        values = [loss(scale, weight) for scale in (0.8, 1.0, 1.2)]
        assert values[1] == min(values)


@pytest.mark.slow
def test_training_finds_the_way_back_of_moved_points():
    """Points moved by a: the trained critic's x - grad r(x) moves them back."""
    shift = jnp.full((7, 7, 1), 0.6 / 7)
    config = CriticConfig((8, 8), 1, growth="quadratic")
    params = Critic.create(config, jax.random.key(0)).params
    optimizer = optax.adam(optax.exponential_decay(5e-3, 600, 0.02))

    def loss(params, key):
        keys = jax.random.split(key, 3)
        clean, degraded = (0.1 * jax.random.normal(k, (64, 7, 7, 1)) for k in keys[:2])
        times = jax.random.uniform(keys[2], (64,))
        score = Critic(params, config).score_patches
        return transport_criterion(score, clean, degraded + shift, times, 5.0).loss

    @jax.jit
    def step(params, state, key):
        update, state = optimizer.update(jax.grad(loss)(params, key), state)
        return optax.apply_updates(params, update), state

    state = optimizer.init(params)
    for key in jax.random.split(jax.random.key(1), 600):
        params, state = step(params, state, key)
    seen = 0.1 * jax.random.normal(jax.random.key(2), (200, 7, 7, 1)) + shift
    critic = Critic(params, config)
    slope = jax.jit(jax.grad(lambda z: critic.score_patches(z).sum()))
    moved = -slope(seen).mean(0)
    assert jnp.linalg.norm(moved + shift) < 0.25 * jnp.linalg.norm(shift)


@pytest.fixture(scope="module")
def denoiser():
    return GradientStep.create(GradientStepConfig((4, 3), 1), jax.random.key(0))


def test_the_denoiser_is_a_gradient_step(denoiser):
    x = jax.random.uniform(jax.random.key(1), (6, 5, 1))
    g = jax.jit(denoiser.__call__)  # a mean over 30 pixels
    denoised = jax.jit(denoiser.denoise)(x)
    step, direction = 1e-2, jax.random.normal(jax.random.key(2), x.shape)
    change = 30 * (g(x + step * direction) - g(x - step * direction))
    inner = jnp.vdot(x - denoised, direction)
    np.testing.assert_allclose(change / (2 * step), inner, rtol=1e-2)


def test_its_derivative_is_symmetric_and_that_of_its_network_is_not(denoiser):
    x = jax.random.uniform(jax.random.key(1), (6, 5, 1))

    def skew(f):
        flat = lambda v: f(v.reshape(x.shape)).ravel()  # noqa: E731
        jacobian = jax.jit(jax.jacrev(flat))(x.ravel())
        return jnp.linalg.norm(jacobian - jacobian.T) / jnp.linalg.norm(jacobian)

    assert skew(denoiser.denoise) < 1e-5
    assert skew(lambda x: denoiser.rest(x[None])[0]) > 0.1


@pytest.mark.slow
def test_recipes_minimise_their_criteria():
    """The losses of the recipes are the ones that their documentation says."""
    key, image = jax.random.key(0), jax.random.uniform(jax.random.key(3), (5, 7, 7, 3))
    recipe = ALRRecipe(tiny.make("alr", {"model.growth": "quadratic"}))
    params, batch = jax.jit(recipe.init)(key), {"image": image, "degraded": image}
    found, metrics = jax.jit(recipe.loss)(params, batch, key, 0)
    weight = recipe.config.loss.penalty_weight
    np.testing.assert_allclose(
        found, weight * metrics["penalty"] - metrics["gap"], rtol=1e-5
    )
    recipe = GradientStepRecipe(tiny.make("gradient_step", {"loss.min_noise_std": 0.3}))
    params = jax.jit(recipe.init)(key)
    found, _ = jax.jit(recipe.loss)(params, {"image": image}, key, 0)
    noise = 0.3 * jax.random.normal(jax.random.split(key)[1], image.shape)
    prior = GradientStep(params, recipe.model)
    error = jax.jit(jax.vmap(prior.denoise))(image + noise) - image
    np.testing.assert_allclose(found, jnp.mean(error**2), rtol=1e-4)
