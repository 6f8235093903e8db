"""Continuation: schedules as they are written, and what a run makes of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.solvers import PnPHVAE, Status, Stopping, restore
from jaxrestore.solvers.schedule import geometric, schedule
from tests.solvers.problems import observations, observe, prior

TOLD = 0.1
SETTINGS = {"temperature": 0.75, "decoder_std": 0.2, "encoder_noise": TOLD}


def method(**settings):
    return PnPHVAE(prior(), **SETTINGS | settings)


def solve(y, stopping=None, max_steps=60, **settings):
    found = method(**settings)
    return restore(found, observe(y), stopping=stopping, max_steps=max_steps)


@pytest.mark.parametrize(
    "written, factors",
    [
        ("4:3", (4, 2, 1)),
        ("4,2,1", (4, 2, 1)),
        ((3.0, 1.0), (3, 1)),
        ("7:1", (1,)),
        (np.array([[1, 4, 4], [1, 1, 1]]), (4, 1)),
    ],
)
def test_as_it_may_be_written(written, factors):
    found = schedule(written, "schedule")
    assert found.dtype == np.float32 and found[-1, 1] == 1
    np.testing.assert_allclose(found[:, 1], factors, rtol=1e-6)
    np.testing.assert_array_equal(found[:, 1], found[:, 2])
    np.testing.assert_array_equal(found[:, 0], 1)
    np.testing.assert_array_equal(schedule(found, "schedule"), found)


@pytest.mark.parametrize(
    "written",
    [
        "4:",
        "0:3",
        "4:2.5",
        "4:0",
        "4:2:0",
        "4:2:1:1",
        "1,-1",
        "a",
        [],
        [[1, 2]],
        "nan,1",
        "5",
        "1e9:8",
        3.0,
    ],
)
def test_mistakes(written):
    with pytest.raises(InputError, match="schedule=.*: expected none, FIRST:LENGTH"):
        schedule(written, "schedule")


def test_the_temperature_has_a_first_factor_of_its_own():
    found = schedule("8:3:0.25", "schedule")
    expected = [[0.25, 8, 8], [0.5, 8**0.5, 8**0.5], [1, 1, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_none_is_nothing():
    assert schedule(None, "schedule") is None and schedule("none", "schedule") is None


def test_one_entry_is_the_plain_iteration():
    y, p, observation = observations(0, 1)[0], prior(), observe(observations(0, 1)[0])

    @jax.jit
    def plain(x):
        mean = p.reconstruct(x, jnp.float32(0.75), jnp.float32(TOLD)).mean
        return observation.prox(mean, jnp.float32(0.2) ** 2)

    x = observation.initial_image()
    for _ in range(4):
        x = plain(x)
    for own in ({}, {"schedule": (1.0,)}):
        found = solve(y, Stopping(0.0), 4, **own)
        np.testing.assert_allclose(found.image, x, atol=5e-7)  # of rounding


def test_settings_follow_the_schedule_and_are_then_held():
    y, p = observations(0, 1)[0], prior()
    observation, taus = observe(y), np.array([0.5, 0.75, 1.0])
    factors = np.array([[0.5, 4, 4], [0.75, 2, 2], [1, 1, 1]])
    x = observation.initial_image()
    for k in range(5):
        row = min(k, 2)
        mean = p.reconstruct(x, 0.75 * taus[row], TOLD * factors[row, 2]).mean
        x = observation.prox(mean, (0.2 * factors[row, 1]) ** 2)
    found = solve(y, Stopping(0.0), 5, schedule=factors)
    np.testing.assert_allclose(found.image, x, atol=1e-5)


def test_the_end_is_the_fixed_point_of_the_settings():
    """Proposition 5.5: whatever came before, x = prox(HVAE(x)) at the end."""
    y = observations(0, 1)[0]
    strict = Stopping(1e-6)
    plain, annealed = (solve(y, strict, 500, schedule=s) for s in (None, "6:9"))
    assert annealed.status == plain.status == Status.CONVERGED
    np.testing.assert_allclose(annealed.image, plain.image, atol=1e-4)
    p, observation = prior(), observe(y)
    again = observation.prox(p.reconstruct(annealed.image, 0.75, TOLD).mean, 0.2**2)
    np.testing.assert_allclose(again, annealed.image, atol=1e-5)


def test_a_run_does_not_converge_before_the_end_of_its_schedule():
    y = observations(0, 1)[0]
    found = solve(y, Stopping(1e3), schedule="6:9")
    assert found.steps == 8 and found.evaluations == 9
    assert solve(y, Stopping(1e3)).steps == 1


@pytest.mark.slow
@pytest.mark.parametrize("views", ["none", "horizontal", "flips"])
def test_views_end_as_they_began(views):
    """The prior does care for orientation; the fixed point is that without views."""
    y = observations(0, 1)[0]
    never = Stopping(0.0)
    found = solve(y, never, 6, schedule="4:4", views=views)
    plain = solve(y, never, 6, schedule="4:4")
    same = np.array_equal(found.image, plain.image)
    assert same == (views == "none")  # the toy's maps are dense: it does care
    strict = Stopping(1e-6)
    end = solve(y, strict, 500, schedule="4:4", views=views)
    np.testing.assert_allclose(end.image, solve(y, strict, 500).image, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_latents_are_those_of_the_mean_where_the_run_is_cut_short(steps):
    y, p = observations(0, 1)[0], prior()
    found = solve(y, Stopping(0.0), steps, schedule="6:9:0.5", views="flips")
    again = p.at(found.latents, found.mean.shape[:2]).mean
    np.testing.assert_allclose(found.mean, again, atol=1e-5)
    assert found.temperature < 0.75


def test_a_plateau_does_not_end_a_schedule():
    y = observations(0, 1)[0]
    found = solve(y, Stopping(0.0, patience=0, improvement=0.9), schedule="2:19")
    assert found.steps >= 18 and found.status == Status.PLATEAU


def test_arrays_of_jax():
    y = observations(0, 1)[0]
    tied = solve(y, schedule=jnp.array([4.0, 2.0, 1.0]))
    np.testing.assert_array_equal(tied.image, solve(y, schedule="4,2,1").image)
    with pytest.raises(InputError, match=r"schedule: an array of shape \(3, 2\)"):
        solve(y, schedule=jnp.ones((3, 2)))


@pytest.mark.slow
def test_a_batch_gives_each_image_what_it_gets_alone():
    ys = observations(3, 3)
    together = jax.vmap(lambda y: solve(y, schedule="6:5", views="flips"))(ys)
    for i, y in enumerate(ys):
        alone = solve(y, schedule="6:5", views="flips")
        np.testing.assert_allclose(together.image[i], alone.image, atol=1e-5)
        assert together.steps[i] == alone.steps


def test_another_schedule_of_the_same_length_compiles_nothing():
    compiled = []

    def listen(event, duration, **kwargs):
        if event.endswith("backend_compile_duration"):
            compiled.append(event)

    y = observations(0, 1)[0]
    first = solve(y, schedule=geometric(6, 5))
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        other = solve(y, schedule=geometric(3, 5))
        assert not compiled
        solve(y, schedule=geometric(3, 6))
        assert compiled
    finally:
        jax.monitoring.clear_event_listeners()
    assert not np.array_equal(first.image, other.image)
