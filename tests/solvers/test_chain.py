"""Draws and what is followed of them, on a chain whose law is known."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Identity
from jaxrestore.pytrees import pytree
from jaxrestore.solvers import TV, Sampler, Status, chain, restore, sample
from jaxrestore.solvers.quantiles import RunningQuantiles
from tests.solvers.problems import gaussian

KEY, LEVELS = jax.random.key(0), (0.05, 0.5, 0.95)
SEEN = gaussian(jnp.ones((2, 2, 1)), Identity(), 0.1)


class State(NamedTuple):
    place: jax.Array
    image: jax.Array


@pytree
@dataclass(frozen=True, eq=False)
class Walk(Sampler):
    """x <- rho x + sqrt(1 - rho^2) n: stationary N(0, 1)."""

    rho: Any = 0.0
    spoilt: bool = field(default=False, metadata={"static": True})

    name = "walk"

    def init(self, problem):
        far = 100 * self.rho * jnp.ones_like(problem.start)
        return State(far, far)

    def step(self, problem, state, key):
        noise = jax.random.normal(key, state.image.shape)
        place = self.rho * state.place + jnp.sqrt(1 - self.rho**2) * noise
        return State(
            place, jnp.where(place > 3, jnp.nan, place) if self.spoilt else place
        )


def test_statistics_are_those_of_the_samples():
    drawn = sample(Walk(), SEEN, key=KEY, n_samples=501, chains=4, quantiles=LEVELS)
    np.testing.assert_allclose(drawn.mean, drawn.samples.mean(0), atol=1e-5)
    np.testing.assert_allclose(drawn.std, drawn.samples.std(0), atol=1e-5)
    exact = np.quantile(drawn.samples, LEVELS, axis=0)
    np.testing.assert_allclose(drawn.quantiles, exact, atol=0.15)
    assert (int(drawn.count), int(drawn.status)) == (501, Status.DRAWN)
    kept = sample(Walk(), SEEN, key=KEY, n_samples=501, chains=4, keep=False)
    assert kept.samples is None and kept.quantiles is None
    np.testing.assert_allclose(kept.mean, drawn.mean, atol=1e-6)


def test_statistics_take_the_memory_of_one_image():
    """By the compiler's account, of 10 draws and of 1000."""

    def temporaries(count):
        arguments = {"key": KEY, "n_samples": count, "keep": False}
        draw = jax.jit(lambda: sample(Walk(), SEEN, **arguments))
        return draw.lower().compile().memory_analysis().temp_size_in_bytes

    assert 0 < temporaries(1000) <= temporaries(10)


def test_burn_in_and_thinning():
    drawn = sample(
        Walk(0.9), SEEN, key=KEY, n_samples=400, chains=2, burn_in=100, thinning=30
    )
    assert np.abs(drawn.samples).max() < 6  # the start, 90, is forgotten
    first, second = drawn.samples[:-2:2], drawn.samples[2::2]  # of the same chain
    correlation = np.corrcoef(np.ravel(first), np.ravel(second))[0, 1]
    assert abs(correlation) < 0.1
    np.testing.assert_allclose(drawn.std, 1, atol=0.15)


def test_a_chain_that_is_not_finite_is_reported_and_never_averaged_in():
    method = Walk(spoilt=True)
    drawn = sample(method, SEEN, key=KEY, n_samples=2000, keep=False)
    assert np.isfinite(drawn.mean).all() and np.isfinite(drawn.std).all()
    assert drawn.status == Status.DIVERGED and 1900 < int(drawn.count) < 2000
    assert int(drawn.healthy.sum()) == int(drawn.count)


def test_going_on_is_drawing_at_once():
    arguments = {"key": KEY, "chains": 2, "quantiles": LEVELS, "traces": True}
    whole = sample(Walk(0.9), SEEN, n_samples=40, burn_in=3, thinning=2, **arguments)
    begun = sample(Walk(0.9), SEEN, n_samples=10, burn_in=3, thinning=2, **arguments)
    ended = sample(Walk(0.9), SEEN, n_samples=30, thinning=2, resume=begun, **arguments)
    samples = jnp.concatenate([begun.samples, ended.samples])
    np.testing.assert_allclose(samples, whole.samples, atol=1e-5)
    for name in ("mean", "std", "quantiles", "count", "healthy", "evaluations"):
        np.testing.assert_allclose(
            getattr(ended, name), getattr(whole, name), atol=1e-4, err_msg=name
        )
    pixels = [draws.traces["pixels"] for draws in (begun, ended)]
    np.testing.assert_allclose(
        jnp.concatenate(pixels), whole.traces["pixels"], atol=1e-5
    )
    with pytest.raises(InputError, match="resume: draws of 2 chains"):
        sample(Walk(), SEEN, n_samples=9, resume=begun, key=KEY, chains=3)


def test_going_on_again_compiles_nothing():
    arguments: Any = {"n_samples": 6, "key": KEY, "chains": 2}
    draws = sample(Walk(0.9), SEEN, **arguments)
    draws = sample(Walk(0.9), SEEN, resume=draws, **arguments)
    before = chain._sample._cache_size()
    for _ in range(3):
        draws = sample(Walk(0.9), SEEN, resume=draws, **arguments)
    assert chain._sample._cache_size() == before and int(draws.count) == 30


def test_chains_over_devices_are_those_of_one():
    arguments: Any = {"key": KEY, "n_samples": 24, "chains": 8, "burn_in": 2}
    one = sample(Walk(0.5), SEEN, **arguments)
    eight = sample(Walk(0.5), SEEN, devices=jax.devices()[:8], **arguments)
    np.testing.assert_allclose(one.samples, eight.samples, atol=1e-5)
    assert len(eight.chains.states.image.sharding.device_set) == 8
    with pytest.raises(InputError, match="devices: 8 for 3 chains"):
        sample(Walk(), SEEN, key=KEY, n_samples=3, chains=3, devices=jax.devices())


def test_a_chain_is_the_same_beside_others():
    drawn = sample(Walk(0.5), SEEN, key=KEY, n_samples=12, chains=3)
    state = State(50 * jnp.ones((2, 2, 1)), jnp.zeros((2, 2, 1)))
    for step in range(4):
        state = Walk(0.5).step(None, state, jax.random.fold_in(KEY, 3 * step + 1))
        np.testing.assert_allclose(drawn.samples[3 * step + 1], state.image, atol=1e-5)


def test_a_batch_equals_one_by_one():
    def draw(key):
        return sample(Walk(0.5), SEEN, key=key, n_samples=6, chains=2)

    keys = jax.random.split(KEY, 3)
    together = jax.vmap(draw)(keys)
    for i, key in enumerate(keys):
        np.testing.assert_allclose(together.samples[i], draw(key).samples, atol=1e-6)


def test_mistakes():
    levels = ({"quantiles": q} for q in [(0.0,), (0.9, 0.1), (0.5, 1.0)])
    for settings in {"burn_in": -1}, {"thinning": 0}, *levels:
        with pytest.raises(InputError, match=next(iter(settings))):
            sample(Walk(), SEEN, key=KEY, n_samples=3, **settings)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_quantiles_of_few_are_exact(count):
    images = jax.random.normal(KEY, (count, 3, 2, 1))
    follow = RunningQuantiles.of(images[0], LEVELS)
    for image in images:
        follow = follow.add(image)
    exact = np.quantile(images, LEVELS, axis=0)
    np.testing.assert_allclose(follow.values(), exact, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normal", "exponential", "uniform"])
def test_quantiles_of_many_are_close(name):
    images = getattr(jax.random, name)(KEY, (3000, 50))
    start = RunningQuantiles.of(images[0], LEVELS)
    follow, _ = jax.lax.scan(lambda f, x: (f.add(x), None), start, images)
    exact = np.quantile(images, LEVELS, axis=0)
    # Twice the spread that the exact quantiles themselves have.
    error = np.abs(np.asarray(follow.values()) - exact).mean(1)
    assert (error < 2 * exact.std(1)).all()


def test_each_function_runs_its_own_kind():
    with pytest.raises(InputError, match="method: a Walk .*expected one that iterates"):
        restore(Walk(), SEEN)
    with pytest.raises(InputError, match="method: a TV .*expected one that samples"):
        sample(TV(), SEEN, key=KEY, n_samples=1)
    with pytest.raises(InputError, match="start has dtype"):
        start = np.zeros((2, 2, 1), np.uint8)
        sample(Walk(), SEEN, key=KEY, n_samples=1, start=start)
