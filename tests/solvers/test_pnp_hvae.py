"""PnP-HVAE on small affine priors, where eager NumPy-like steps are the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

from jaxrestore.errors import InputError
from jaxrestore.operators import Mask
from jaxrestore.pytrees import pytree
from jaxrestore.solvers import TV, PnPHVAE, Status
from tests.solvers.problems import SHAPE, gaussian, observations, observe, prior, run

STD = 0.2


def restore(y, prior_=None, **settings):
    settings = {"temperature": 0.75, "decoder_std": STD, "tolerance": 1e-4} | settings
    return run(PnPHVAE, prior_ or prior(), observe(y), **settings)


def test_steps_are_those_of_algorithm_4():
    y = observations(0, 1)[0]
    result = restore(y, max_steps=3, tolerance=0.0)
    p, observation = prior(), observe(y)
    reconstruct = jax.jit(lambda x: p.reconstruct(x, 0.75))
    x = observation.initial_image()
    for _ in range(3):
        x = observation.prox(reconstruct(x).mean, STD**2)
    np.testing.assert_allclose(result.image, x, atol=1e-5)
    last = reconstruct(x)
    np.testing.assert_allclose(result.mean, last.mean, atol=1e-5)
    for got, expected in zip(result.latents, last.latents, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)
    assert (int(result.steps), int(result.status)) == (3, Status.MAX_STEPS)


def test_recorded_objective_is_j1_with_its_constants():
    y, p = observations(0, 1)[0], prior()
    taus = jnp.array([0.75, 0.5])
    result = restore(y, temperature=taus, max_steps=4, tolerance=0.0)
    observation = observe(y)
    decoder = jnp.sum(norm.logpdf(result.image, result.mean, STD))
    latent = jnp.sum(jax.jit(p.log_prior)(result.latents) / taus**2)
    misfit = jnp.sum((observation.operator(result.image) - y) ** 2) / (2 * 0.05**2)
    np.testing.assert_allclose(
        result.history["objective"][3], misfit - decoder - latent, rtol=1e-4
    )


def test_total_variation_may_come_first():
    y = observations(0, 1)[0]
    filled = run(TV, observe(y), weight=30.0, max_steps=150, tolerance=1e-5)
    begun = restore(y, max_steps=1, tolerance=0.0, start=filled.image)
    itself = restore(y, max_steps=1, tolerance=0.0, tv_start=30.0)
    np.testing.assert_allclose(itself.image, begun.image, atol=1e-5)
    other = restore(y, max_steps=1, tolerance=0.0)
    assert float(jnp.abs(itself.image - other.image).max()) > 1e-3


@pytest.mark.slow
def test_predicted_std_weights_every_pixel():
    rng = np.random.default_rng(0)
    std = rng.uniform(0.05, 0.5, int(np.prod(SHAPE)))
    p, y = prior(std=std), observations(0, 1)[0]
    predicted = restore(y, p, decoder_std=None)
    given = restore(y, p, decoder_std=std.reshape(SHAPE))
    np.testing.assert_allclose(predicted.image, given.image, atol=1e-5)
    x, weight = predicted.image, 1 / std.reshape(SHAPE) ** 2
    pull = weight * (p.reconstruct(x, 0.75).mean - x)
    assert predicted.status == Status.CONVERGED
    gap = jnp.linalg.norm(observe(y).gradient(x) - pull)
    assert gap < 0.02 * jnp.linalg.norm(pull)


@pytest.mark.slow
def test_one_cg_step_differs_from_the_exact_step_and_agrees_when_many():
    y = observations(0, 1)[0]
    settings = {"max_steps": 2, "tolerance": 0.0}
    exact = restore(y, **settings)
    many = restore(y, cg_steps=20, **settings)
    one = restore(y, cg_steps=1, **settings)
    np.testing.assert_allclose(many.image, exact.image, atol=1e-4)
    assert jnp.max(jnp.abs(one.image - exact.image)) > 1e-3

    p, observation = prior(), observe(y)
    mu = p.reconstruct(observation.initial_image(), 0.75).mean
    weight = (0.05 / STD) ** 2
    r = observation.operator.adjoint(y - observation.operator(mu))
    normal = observation.operator.adjoint(observation.operator(r)) + weight * r
    expected = mu + jnp.vdot(r, r) / jnp.vdot(r, normal) * r
    first = restore(y, cg_steps=1, max_steps=1)
    np.testing.assert_allclose(first.image, expected, atol=1e-5)


@pytest.mark.slow
def test_batch_of_four_gives_each_image_what_it_gets_alone():
    ys = observations(3, 4) * jnp.array([1.0, 0.1, 3.0, 10.0])[:, None, None, None]
    together = jax.vmap(restore)(ys)
    steps = []
    for i, y in enumerate(ys):
        alone = restore(y)
        np.testing.assert_allclose(together.image[i], alone.image, atol=1e-4)
        np.testing.assert_allclose(together.mean[i], alone.mean, atol=1e-4)
        assert together.steps[i] == alone.steps
        steps.append(int(alone.steps))
    assert (together.status == Status.CONVERGED).all()
    assert len(set(steps)) > 1, steps


def test_a_nan_image_leaves_the_rest_of_the_batch_alone():
    ys = observations(3, 4)
    healthy = jax.vmap(restore)(ys)
    broken = jax.vmap(restore)(ys.at[1, 2, 2, 0].set(jnp.nan))
    assert list(broken.status) == [1, 4, 1, 1]
    assert broken.steps[1] == 0
    keep = jnp.array([0, 2, 3])
    np.testing.assert_array_equal(healthy.image[keep], broken.image[keep])


def test_an_exploding_prior_ends_as_diverged_with_a_finite_image():
    y = observations(0, 1)[0]
    result = restore(y, prior(gain=3.0), max_steps=200, decoder_std=0.001)
    assert result.status == Status.DIVERGED
    assert 0 < result.steps < 200
    assert np.isfinite(result.image).all()
    assert np.isfinite(result.mean).all()


@pytest.mark.slow
def test_jit_equals_eager():
    y = observations(0, 1)[0]
    with jax.disable_jit():
        eager = restore(y, max_steps=2)
    compiled = jax.jit(lambda y: restore(y, max_steps=2))(y)
    np.testing.assert_allclose(eager.image, compiled.image, atol=1e-5)
    for name, values in eager.history.items():
        np.testing.assert_allclose(values, compiled.history[name], rtol=1e-4)


def test_start_and_plateau():
    y = observations(0, 1)[0]
    result = restore(y, tolerance=0.0, patience=2, max_steps=200)
    assert result.status == Status.PLATEAU
    fixed = restore(y, start=result.image, tolerance=1e-4)
    assert (int(fixed.steps), int(fixed.status)) == (1, Status.CONVERGED)
    watched = restore(y, tolerance=0.0, patience=2, max_steps=200, watch="objective")
    assert watched.status == Status.PLATEAU


def test_holes_may_hold_nan():
    mask = jnp.ones((*SHAPE[:2], 1)).at[2, 2].set(0)
    y = observations(0, 1)[0].at[2, 2].set(jnp.nan)
    result = run(PnPHVAE, prior(), gaussian(y, Mask(mask), jnp.float32(0.05)))
    assert np.isfinite(result.image).all()
    assert result.status in (Status.CONVERGED, Status.MAX_STEPS)


def test_encoder_noise_reaches_the_prior():
    seen = []

    class Listening(type(prior())):
        def reconstruct(self, image, temperature, encoder_noise=None):
            seen.append(encoder_noise)
            return super().reconstruct(image, temperature)

    pytree(Listening)
    base = prior()
    listening = Listening(
        **{n: getattr(base, n) for n in Listening.__dataclass_fields__}
    )
    restore(observations(0, 1)[0], listening, encoder_noise=0.1, max_steps=1)
    assert all(level is not None and level.shape == () for level in seen)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 1.5}, "temperature=1.5: expected"),
        ({"temperature": [0.5] * 3}, "2 numbers"),
        ({"temperature": "best"}, "temperature=best: expected"),
        ({"decoder_std": 0.0}, "decoder_std=0.0: expected"),
        ({"decoder_std": float("nan")}, "decoder_std=nan"),
        ({"encoder_noise": -0.1}, "encoder_noise=-0.1"),
        ({"encoder_noise": [0.1, 0.2]}, "encoder_noise="),
        ({"max_steps": 0}, "max_steps=0: expected a whole number from 1"),
        ({"max_steps": 2.5}, "max_steps=2.5: expected a whole number"),
        ({"tolerance": -1e-3}, "tolerance=-0.001"),
        ({"patience": -1}, "patience=-1"),
        ({"improvement": 1.0}, "improvement=1.0"),
        ({"growth": 0}, "growth=0"),
        ({"watch": "psnr"}, "watch=psnr"),
        ({"cg_steps": 0}, "cg_steps=0"),
        ({"start": jnp.zeros((3, 3, 2))}, "start has shape"),
        ({"start": np.zeros(SHAPE, np.uint8)}, "start has dtype uint8"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        restore(observations(0, 1)[0], **settings)
    assert "\n" not in str(caught.value)
