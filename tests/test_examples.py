"""Examples that claim a number keep to it."""

import importlib.util
from pathlib import Path

import jax
import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    path = EXAMPLES / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_critic_learns_the_distance_to_the_circle(tmp_path):
    circle = load("distance_to_circle")
    params = circle.train(jax.random.key(0), 4000)
    report = circle.measure(params)
    assert report["error"] < 0.05
    assert abs(report["slope"] - 1) < 0.1 and report["slope_error"] < 0.1
    circle.picture(params, tmp_path / "circle.png", jax.random.key(1))
    assert (tmp_path / "circle.png").stat().st_size > 10_000


def test_vae_learns_the_spiral(tmp_path):
    spiral = load("vae_on_a_spiral")
    params = spiral.train(jax.random.key(0), 6000)
    report = spiral.measure(params, jax.random.key(1))
    assert report["drawn"] < 0.1 and 0 < report["divergence"] < 1
    spiral.picture(params, tmp_path / "spiral.png", jax.random.key(2))
    assert (tmp_path / "spiral.png").stat().st_size > 10_000


def test_flow_learns_a_density_in_the_plane(tmp_path):
    plane = load("flow_in_the_plane")
    params = plane.train(jax.random.key(0), 500)
    report = plane.measure(params)
    assert abs(report["mass"] - 1) < 5e-3
    assert -1e-3 < report["divergence"] < 0.08
    plane.picture(params, tmp_path / "plane.png")
    assert (tmp_path / "plane.png").stat().st_size > 10_000
