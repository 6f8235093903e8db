"""Anderson acceleration: the same fixed points in fewer steps, and its safeguards."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Identity
from jaxrestore.pytrees import pytree
from jaxrestore.settings import settings_of
from jaxrestore.solvers import TV, Anderson, Method, PnPHVAE, Status, Stopping, restore
from tests.solvers.problems import gaussian, observations, observe, prior

SHAPE = (6, 5, 2)


class _State(NamedTuple):
    image: jax.Array


@pytree
@dataclass(frozen=True, eq=False)
class Map(Method):
    """x -> M (x - c) + c - bend (x - c)^3 with a diagonal M."""

    rates: Any
    centre: Any
    bend: Any = 0.0

    name: ClassVar = "map"
    max_steps: ClassVar = 400

    def init(self, problem):
        return _State(problem.start)

    def step(self, problem, state):
        d = state.image - self.centre
        return _State(self.centre + self.rates * d - self.bend * d**3)

    def at(self, problem, state, image):
        return _State(image)

    def objective(self, problem, state):
        return jnp.sum(jnp.square(state.image - self.centre))


def linear(low, high, bend=0.0):
    rates = np.linspace(low, high, int(np.prod(SHAPE)), dtype=np.float32)
    return Map(rates.reshape(SHAPE), jnp.full(SHAPE, 0.5), jnp.float32(bend))


def solve(method, tolerance=1e-5, max_steps=400, y=None, **more):
    y = observations(0, 1)[0] if y is None else y
    seen = gaussian(y, Identity(), jnp.float32(0.1))
    rules = Stopping(tolerance)
    return restore(method, seen, stopping=rules, max_steps=max_steps, **more)


def pnp(**settings):
    return PnPHVAE(prior(), **{"temperature": 0.9, "decoder_std": 0.4} | settings)


@pytest.mark.slow
def test_the_fixed_point_of_pnp_hvae_is_kept():
    """Started there, it stays; started elsewhere, it goes there."""
    observation, strict = observe(observations(0, 1)[0]), Stopping(1e-6)
    plain = restore(pnp(), observation, stopping=strict, max_steps=100)
    found = restore(Anderson(pnp()), observation, stopping=strict, max_steps=100)
    assert plain.status == found.status == Status.CONVERGED
    np.testing.assert_allclose(found.image, plain.image, atol=2e-5)
    assert found.evaluations <= plain.evaluations
    again = restore(Anderson(pnp()), observation, max_steps=5, start=plain.image)
    assert again.steps == 1
    np.testing.assert_allclose(again.image, plain.image, atol=2e-6)


def test_the_fixed_point_is_kept():
    """Started there, it stays; started elsewhere, it goes there."""
    method = linear(-0.5, 0.9)
    found = solve(Anderson(method), 1e-6)
    assert found.status == Status.CONVERGED
    np.testing.assert_allclose(found.image, method.centre, atol=1e-4)
    again = solve(Anderson(method), start=method.centre)
    assert again.steps == 1
    np.testing.assert_array_equal(again.image, method.centre)


def test_depth_zero_is_over_relaxation():
    y, factor = observations(0, 1)[0], jnp.float32(1.6)
    method = linear(0.3, 0.9)
    found = solve(Anderson(method, depth=0, relaxation=1.6), 0.0, 4, y=y)
    x = y
    for _ in range(4):
        x = x + factor * (method.step(None, _State(x)).image - x)
    np.testing.assert_allclose(found.image, x, atol=1e-6)


def test_depth_and_relaxation_need_fewer_steps():
    steps = {
        name: int(solve(method).steps)
        for name, method in {
            "plain": linear(0.0, 0.97),
            "relaxed": Anderson(linear(0.0, 0.97), depth=0, relaxation=1.7),
            "anderson": Anderson(linear(0.0, 0.97), depth=5),
        }.items()
    }
    assert steps["relaxed"] < 0.7 * steps["plain"]
    assert steps["anderson"] < 0.3 * steps["plain"]


def test_the_residual_is_that_of_the_map():
    """Not of what an accelerated step moved, nor of a relaxed one."""
    method = linear(0.2, 0.9)
    wrapped = Anderson(method, depth=0, relaxation=0.1)
    run = solve(wrapped, 0.0, 3)
    at = solve(wrapped, 0.0, 2).image
    ahead = method.step(None, _State(at)).image
    truth = jnp.linalg.norm(ahead - at) / jnp.linalg.norm(at)
    np.testing.assert_allclose(run.residual, truth, rtol=1e-4)


def test_a_refused_point_goes_back_to_the_plain_step():
    """Extrapolating a bent map overshoots; the residual of taken points falls."""
    method = linear(0.9, 1.0, bend=2.0)
    free = Anderson(method, safeguard=1e6, refusals=100)
    held = Anderson(method, safeguard=1.0, refusals=100)
    y = 0.5 + 1.2 * jnp.sign(observations(0, 1)[0] - 0.5) * 0.5
    worst = [
        np.nanmax(solve(m, 0.0, 60, y=y, history=True).history["residual"][2:])
        for m in (free, held)
    ]
    assert worst[1] <= worst[0]


def test_after_the_refusals_the_steps_are_plain():
    method, y = linear(0.9, 1.0, bend=2.0), observations(0, 1)[0]
    plain = solve(method, 0.0, 7, y=y)
    never = solve(Anderson(method, refusals=0), 0.0, 7, y=y)
    np.testing.assert_array_equal(plain.image, never.image)


@pytest.mark.slow
def test_a_batch_equals_one_by_one():
    ys, rules = observations(3, 3), Stopping(1e-5)
    method = Anderson(linear(0.0, 0.9, bend=0.3), depth=3)
    run = lambda y: restore(  # noqa: E731
        method, gaussian(y, Identity(), jnp.float32(0.1)), stopping=rules
    )
    together = jax.vmap(run)(ys)
    for i, y in enumerate(ys):
        alone = run(y)
        assert together.status[i] == alone.status == Status.CONVERGED
        assert abs(int(together.steps[i]) - int(alone.steps)) <= 1
        np.testing.assert_allclose(together.image[i], alone.image, atol=2e-5)


@pytest.mark.slow
def test_plain_steps_until_the_schedule_is_over():
    scheduled = pnp(schedule="6:5", encoder_noise=0.1)
    observation = observe(observations(0, 1)[0])
    arguments = {"stopping": Stopping(0.0), "max_steps": 5}
    plain = restore(scheduled, observation, **arguments)
    found = restore(Anderson(scheduled), observation, **arguments)
    np.testing.assert_allclose(found.image, plain.image, atol=1e-6)
    strict = {"stopping": Stopping(1e-6), "max_steps": 100}
    ends = [restore(m, observation, **strict) for m in (scheduled, Anderson(scheduled))]
    np.testing.assert_allclose(ends[0].image, ends[1].image, atol=2e-5)
    assert ends[1].steps <= ends[0].steps


def test_a_step_costs_one_pass():
    """The network's pass at T(x_k), which nothing reads, is not in the program."""

    def flops(method):
        def run(y):
            rules = {"stopping": Stopping(0.0), "max_steps": 9}
            return restore(method, observe(y), **rules).image

        y = observations(0, 1)[0]
        return jax.jit(run).lower(y).compile().cost_analysis()["flops"]

    wide = PnPHVAE(prior(), decoder_std=0.4)
    assert flops(Anderson(wide, depth=1)) < 1.3 * flops(wide)


def test_nan_in_status_out():
    y = observations(0, 1)[0].at[0, 0, 0].set(jnp.nan)
    assert solve(Anderson(linear(0, 0.5)), y=y).status == Status.DIVERGED


@pytest.mark.parametrize("field", [f.name for f in settings_of(Anderson)])
@pytest.mark.parametrize("value", ["nonsense", -1, float("nan"), []])
def test_settings_out_of_range(field, value):
    with pytest.raises(InputError, match=field):
        solve(replace(Anderson(linear(0, 0.5)), **{field: value}))


def test_methods_without_another_image_are_refused():
    with pytest.raises(InputError, match="method: tv cannot go on from another image"):
        solve(Anderson(TV()))
