"""What large images take, and when that is too much."""

import pytest

from jaxrestore.cli import forecast as module
from jaxrestore.cli.forecast import Forecast, check_limits, forecast
from jaxrestore.errors import InputError
from jaxrestore.solvers import TV


def test_small_images_are_not_worth_it():
    assert forecast(TV(), (400, 400, 3), 0.01, 50) is None


def test_time_and_memory_grow_with_the_image():
    small, large = (forecast(TV(), (n, 2048, 3), 0.01, 50) for n in (1024, 4096))
    assert small is not None and large is not None
    assert large.memory == pytest.approx(4 * small.memory)
    assert small.seconds > 0 and small.memory > 1024 * 2048 * 3 * 4


def test_limits(monkeypatch):
    monkeypatch.setattr(module, "_free_memory", lambda: 2**30)
    check_limits(None, 1, "x")
    check_limits(Forecast(50, 2**29), 1, "10x10 pixels")
    check_limits(Forecast(5e6, 2**29), 0, "10x10 pixels")
    with pytest.raises(InputError, match="GiB are free"):
        check_limits(Forecast(1, 2**31), 1, "10x10 pixels")
    with pytest.raises(InputError, match="max_minutes=1"):
        check_limits(Forecast(90, 1), 1, "10x10 pixels")
