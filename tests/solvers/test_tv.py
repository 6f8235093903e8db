"""Total variation against generic solvers of the same objective."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from skimage import data
from skimage.restoration import denoise_tv_chambolle

from jaxrestore.errors import InputError
from jaxrestore.metrics import psnr
from jaxrestore.operators import Blur, Identity, Mask
from jaxrestore.solvers import TV, Status
from jaxrestore.solvers.tv import divergence, gradient, pixel_norm
from tests.solvers.problems import KERNEL, gaussian, observations, run

SIGMA = 0.1


def observe(operator, seed=0, shape=(8, 8, 2)):
    clean = jax.random.uniform(jax.random.key(seed), shape)
    y = operator(clean)
    noise = SIGMA * jax.random.normal(jax.random.key(seed + 1), y.shape)
    return gaussian(y + noise, operator, jnp.float32(SIGMA))


def objective(observation, x, weight, coupled):
    variation = jnp.sum(pixel_norm(gradient(x), coupled))
    return observation.neg_log_likelihood(x) + weight * variation


def operators():
    mask = jax.random.uniform(jax.random.key(9), (8, 8, 1)) > 0.4
    blur = Blur(jnp.asarray(KERNEL))
    mask = Mask(mask.astype(jnp.float32))
    return {
        "identity": Identity(),
        "blur": blur,
        "mask": mask,
        "composed": mask @ blur,
    }


def test_divergence_is_the_adjoint():
    image = jax.random.normal(jax.random.key(0), (5, 6, 2))
    field = jax.random.normal(jax.random.key(1), (2, 5, 6, 2))
    left = jnp.vdot(gradient(image), field)
    np.testing.assert_allclose(left, jnp.vdot(image, divergence(field)), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "coupled"),
    [("identity", False), ("blur", True), ("mask", True), ("composed", True)],
)
def test_no_generic_minimiser_does_better(name, coupled):
    observation, weight = observe(operators()[name]), 5.0
    result = run(
        TV, observation, weight=weight, coupled=coupled, max_steps=2000, tolerance=1e-7
    )
    reached = float(objective(observation, result.image, weight, coupled))
    np.testing.assert_allclose(
        result.history["objective"][int(result.steps) - 1], reached, rtol=1e-5
    )
    value = jax.jit(
        jax.value_and_grad(
            lambda v: objective(observation, v.reshape(8, 8, 2), weight, coupled)
        )
    )

    def scipy_value(v):
        total, slope = value(jnp.asarray(v, jnp.float32))
        return float(total), np.nan_to_num(np.asarray(slope, np.float64))

    for start in (result.image, observation.initial_image()):
        found = minimize(
            scipy_value, np.asarray(start).ravel(), jac=True, method="L-BFGS-B"
        )
        assert found.fun >= reached * (1 - 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["identity", "blur"])
def test_a_hundred_steps_are_close_to_the_minimum(name):
    clean = jnp.asarray(data.astronaut()[:128, 160:288] / 255, jnp.float32)
    operator = operators()[name]
    noise = 0.05 * jax.random.normal(jax.random.key(0), clean.shape)
    observation = gaussian(operator(clean) + noise, operator, jnp.float32(0.05))
    few = run(TV, observation, weight=8.0, max_steps=100)
    many = run(TV, observation, weight=8.0, max_steps=1500, tolerance=0.0)
    low = many.history["objective"][-1]
    assert few.history["objective"][int(few.steps) - 1] <= low * (1 + 2e-3)
    assert abs(psnr(few.image, clean) - psnr(many.image, clean)) < 0.05


def test_agrees_with_scikit_image_on_denoising():
    """skimage minimises ||x - y||^2 / 2 + w TV, so w = weight * noise_std^2."""
    clean = jnp.asarray(data.astronaut()[:128, 160:288] / 255, jnp.float32)
    y = clean + SIGMA * jax.random.normal(jax.random.key(0), clean.shape)
    observation = gaussian(y, Identity(), jnp.float32(SIGMA))
    theirs = jnp.asarray(
        denoise_tv_chambolle(
            np.asarray(y), 6.0 * SIGMA**2, eps=1e-7, max_num_iter=500, channel_axis=-1
        )
    )
    # It treats the channels one by one, and has another boundary condition.
    ours = run(TV, observation, weight=6.0, max_steps=500, coupled=False).image
    inner = np.s_[4:-4, 4:-4]
    assert jnp.sqrt(jnp.mean((ours[inner] - theirs[inner]) ** 2)) < 2e-3
    assert abs(psnr(ours, clean) - psnr(theirs, clean)) < 0.05
    assert psnr(ours, clean) > psnr(y, clean) + 5


def test_batch_equals_single_and_a_nan_image_stays_alone():
    ys = observations(3, 3).at[1, 0, 0, 0].set(jnp.nan)

    def one(y):
        observation = gaussian(y, Blur(jnp.asarray(KERNEL)), jnp.float32(0.05))
        return run(TV, observation, weight=5.0, max_steps=400, tolerance=1e-4)

    together = jax.vmap(one)(ys)
    assert list(together.status) == [1, Status.DIVERGED, 1]
    for i in (0, 2):
        alone = one(ys[i])
        assert alone.steps == together.steps[i]
        np.testing.assert_allclose(together.image[i], alone.image, atol=1e-4)


@pytest.mark.parametrize("weight", [0, -1.0, float("inf"), "strong", [1.0, 2.0]])
def test_bad_weight_is_named(weight):
    with pytest.raises(
        InputError, match="weight=.*expected a number above 0|not a number"
    ):
        run(TV, observe(Identity()), weight=weight)
