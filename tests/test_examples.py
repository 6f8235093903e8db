"""Examples that claim a number keep to it."""

import importlib.util
from pathlib import Path

import jax
import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def circle():
    path = EXAMPLES / "distance_to_circle.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_critic_learns_the_distance_to_the_circle(circle, tmp_path):
    params = circle.train(jax.random.key(0), 4000)
    report = circle.measure(params)
    assert report["error"] < 0.05
    assert abs(report["slope"] - 1) < 0.1 and report["slope_error"] < 0.1
    circle.picture(params, tmp_path / "circle.png", jax.random.key(1))
    assert (tmp_path / "circle.png").stat().st_size > 10_000
