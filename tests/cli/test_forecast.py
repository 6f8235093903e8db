"""What large images take, and when that is too much."""

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from jaxrestore.cli import forecast as module
from jaxrestore.cli.forecast import Forecast, Needs, check_limits, forecast
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Identity
from jaxrestore.priors import CAE, CAEConfig
from jaxrestore.solvers import TV, VBLE, Select, SelectRate
from jaxrestore.solvers.restore import memory
from tests.priors.random_weights import random_prior


def test_small_images_are_not_worth_it():
    assert forecast(TV(), (400, 400, 3), 0.01, 50, lambda: Needs(1)) is None


def test_time_grows_with_the_image():
    found = forecast(TV(), (4096, 2048, 3), 0.01, 50, lambda: Needs(7))
    assert found is not None and found.needs.memory == 7
    steps = forecast(TV(), (4096, 2048, 3), 0.01, 5000, lambda: Needs(7))
    assert steps is not None and steps.seconds > 10 * found.seconds > 0


def test_time_counts_trials_draws_and_sharers(monkeypatch):
    monkeypatch.setattr(module, "_seconds", lambda *_: 2.0)  # a step and its start
    shape = 2048, 1024, 1

    def steps(method, needs):
        found = forecast(method, shape, 0.01, 10, lambda: needs)
        assert found is not None
        return found.seconds / (2048 * 1024 / 256**2)

    assert steps(TV(), Needs(1)) == 11
    assert steps(TV(), Needs(1, sharers=4)) == 11 / 4
    assert steps(TV(), Needs(1, draws=20)) == 11 + 10
    prior = random_prior(CAE, CAEConfig("mean", 4, 4, 1, rates=(0.01, 0.1)))
    rated = SelectRate(VBLE(prior), trial_steps=8)
    y = np.full((8, 8, 1), 0.5, np.float32)
    rated = rated.validate(Observation.create(y, Identity(), 0.01))
    assert steps(rated, Needs(1)) == 11 + 2 * 9


@pytest.mark.parametrize(
    ("platform", "expected"), [("cpu", Needs(80)), ("gpu", Needs(10, sharers=8))]
)
def test_simulated_devices_share_memory_and_others_the_work(platform, expected):
    device = SimpleNamespace(platform=platform)
    mesh: Any = SimpleNamespace(size=8, devices=np.array([device] * 8))
    assert Needs(10).shared(mesh) == expected


@pytest.mark.parametrize("method", [TV(), Select(TV(), {"weight": (0.01, 0.02)})])
def test_memory_is_that_of_the_program(method):
    def bytes_of(side):
        y = np.full((side, side, 3), 0.5, np.float32)
        seen, key = Observation.create(y, Identity(), 0.1), jax.random.key(0)
        return memory(method, seen, max_steps=3, key=key)

    small, large = bytes_of(64), bytes_of(128)
    assert small > 64 * 64 * 12 * 3  # y, start, state
    assert large == pytest.approx(4 * small, rel=0.1)


def test_limits(monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda: 2**30)
    check_limits(None, 1, "x")
    check_limits(Forecast(50, Needs(2**29)), 1, "10x10 pixels")
    check_limits(Forecast(5e6, Needs(2**29)), 0, "10x10 pixels")
    with pytest.raises(InputError, match="GiB are free; cut it into parts"):
        check_limits(Forecast(1, Needs(2**31)), 1, "10x10 pixels")
    with pytest.raises(InputError, match="are free; take --tile=512, or cut it"):
        check_limits(Forecast(1, Needs(2**31, tile=512)), 1, "10x10 pixels")
    with pytest.raises(InputError, match="max_minutes=1"):
        check_limits(Forecast(90, Needs(1)), 1, "10x10 pixels")
