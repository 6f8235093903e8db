"""Descent with a flow: its objectives, starts, and a linear flow as oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Blur
from jaxrestore.priors import Glow, GlowConfig
from jaxrestore.solvers import Analysis, Synthesis, restore
from tests.priors.random_weights import random_glow
from tests.solvers.problems import KERNEL, gaussian, run

SHAPE, SIGMA = (4, 4, 1), 0.1
CONFIG = GlowConfig(4, 1, (1,), (3,))
FLOW = random_glow(CONFIG, scale=0.05)
DESCENT = {"descent": "gradient_descent", "max_steps": 12}


def observe(seed=0, sigma=SIGMA):
    operator = Blur(jnp.asarray(KERNEL))
    clean = jax.random.uniform(jax.random.key(seed), SHAPE)
    y = operator(clean) + sigma * jax.random.normal(jax.random.key(seed + 1), SHAPE)
    return gaussian(y, operator, jnp.float32(sigma))


def documented(method, observation, result):
    """F of the docstrings, from the result's image and latents."""
    residual = np.asarray(observation.residual(result.image), np.float64)
    misfit = np.sum(residual**2) / 2
    if method.misfit == "likelihood":
        misfit /= SIGMA**2
    if isinstance(method, Synthesis):
        back = method.prior.decode(result.latents, method.latents)
        np.testing.assert_allclose(back, result.image, atol=1e-5)
        penalty = sum(float(jnp.sum(z**2)) for z in result.latents)
    elif method.penalty == "density":
        penalty = -float(method.prior.log_prob(result.image))
    else:
        latents = method.prior.encode(result.image, method.penalty)
        penalty = sum(float(jnp.sum(z**2)) for z in latents)
    return misfit + method.weight * penalty


@pytest.mark.parametrize(
    "kind, settings",
    [
        (Synthesis, {"start": "zero"}),
        pytest.param(Analysis, {"start": "random"}, marks=pytest.mark.slow),
        (Analysis, {"start": "prior_mean", "penalty": "raw", "misfit": "squares"}),
        pytest.param(
            Synthesis,
            {"start": "image", "misfit": "squares", "latents": "raw"},
            marks=pytest.mark.slow,
        ),
        pytest.param(Analysis, {"penalty": "whitened"}, marks=pytest.mark.slow),
        pytest.param(Synthesis, {"start": "random"}, marks=pytest.mark.slow),
    ],
)
def test_gradient_descent_lowers_the_documented_objective(kind, settings):
    observation, key = observe(), jax.random.key(5)
    given = {"weight": 0.01, **settings, **DESCENT}
    steps = given.pop("max_steps")
    method = kind(FLOW, **given)
    result = restore(method, observation, key=key, max_steps=steps, history=True)
    values = np.asarray(result.history["objective"])
    values = values[np.isfinite(values)]
    assert np.all(np.diff(values) <= 1e-6 * np.abs(values[:-1]))
    assert values[-1] < values[0]
    last = documented(method, observation, result)
    np.testing.assert_allclose(values[-1], last, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, start",
    [
        (Analysis, "image"),
        (Analysis, "prior_mean"),
        (Synthesis, "image"),
        (Synthesis, "zero"),
    ],
)
def test_starts_are_what_they_say(kind, start):
    observation = observe()
    expected = observation.initial_image()
    if start in ("prior_mean", "zero"):
        expected = jax.jit(lambda p: p.prior_mean(SHAPE[:2]).mean)(FLOW)
    still = kind(FLOW, start=start, learning_rate=1e-6, final_learning_rate=1e-6)
    found = restore(still, observation, max_steps=1)
    np.testing.assert_allclose(found.image, expected, atol=1e-4)


def test_a_random_start_needs_a_key():
    with pytest.raises(InputError, match="needs a random key; pass key="):
        restore(Analysis(FLOW, start="random"), observe())


@pytest.mark.slow
def test_both_formulations_of_a_linear_flow_have_the_closed_form():
    """A fresh flow is linear: p(x) is Gaussian, and E and D are one problem."""
    prior = jax.jit(Glow.create, static_argnums=0)(CONFIG, jax.random.key(3))
    images = jax.random.uniform(jax.random.key(4), (64, *SHAPE))
    prior = prior.initialised(images)
    observation, size = observe(), int(np.prod(SHAPE))

    def whiten(x):
        (z,) = prior.encode(x.reshape(SHAPE))
        return z.ravel()

    slope = np.asarray(jax.jacobian(whiten)(jnp.zeros(size)), np.float64)
    offset = np.asarray(whiten(jnp.zeros(size)), np.float64)
    basis = jnp.eye(size).reshape(-1, *SHAPE)
    blur = np.asarray(jax.vmap(observation.operator)(basis)).reshape(size, -1).T
    precision = blur.T @ blur / SIGMA**2 + slope.T @ slope
    y = np.asarray(observation.y, np.float64).ravel()
    exact = np.linalg.solve(precision, blur.T @ y / SIGMA**2 - slope.T @ offset)
    rates = {"learning_rate": 0.05, "final_learning_rate": 1e-4, "max_steps": 600}
    results = [
        run(Analysis, prior, observation, weight=1.0, **rates),
        run(Analysis, prior, observation, weight=0.5, penalty="whitened", **rates),
        run(Synthesis, prior, observation, weight=0.5, **rates),
        run(
            Analysis,
            prior,
            observation,
            weight=SIGMA**2,
            misfit="squares",
            **{**rates, "descent": "gradient_descent"},
        ),
    ]
    for result in results:
        np.testing.assert_allclose(result.image.ravel(), exact, atol=3e-3)
