"""What large images take, and when that is too much."""

import jax
import numpy as np
import pytest

from jaxrestore.cli import forecast as module
from jaxrestore.cli.forecast import Forecast, check_limits, forecast
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import Identity
from jaxrestore.solvers import TV, Select
from jaxrestore.solvers.restore import memory


def test_small_images_are_not_worth_it():
    assert forecast(TV(), (400, 400, 3), 0.01, 50, lambda: 1) is None


def test_time_grows_with_the_image():
    found = forecast(TV(), (4096, 2048, 3), 0.01, 50, lambda: 7)
    assert found is not None and found.memory == 7
    steps = forecast(TV(), (4096, 2048, 3), 0.01, 5000, lambda: 7)
    assert steps is not None and steps.seconds > 10 * found.seconds > 0


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
    check_limits(Forecast(50, 2**29), 1, "10x10 pixels")
    check_limits(Forecast(5e6, 2**29), 0, "10x10 pixels")
    with pytest.raises(InputError, match="GiB are free"):
        check_limits(Forecast(1, 2**31), 1, "10x10 pixels")
    with pytest.raises(InputError, match="max_minutes=1"):
        check_limits(Forecast(90, 1), 1, "10x10 pixels")
