"""Numbers as written by users, and the settings behind "auto"."""

import importlib.util
from pathlib import Path

import pytest

from jaxrestore.cli import solve_config
from jaxrestore.cli.levels import (
    CHOSEN_TEMPERATURES,
    parse_level,
    parse_temperature,
)
from jaxrestore.cli.settings import TABLES, TASKS, interpolate
from jaxrestore.solvers.selection import CRITERIA

CONFIGS = Path(__file__).parents[2] / "configs" / "solve"


@pytest.mark.parametrize(
    ("text", "value"),
    [("8/255", 8 / 255), ("2.55/255", 0.01), ("0.03", 0.03), (0.5, 0.5), (1, 1)],
)
def test_levels(text, value):
    assert parse_level(text, "--noise_std") == pytest.approx(value)


def test_temperatures():
    assert set(CHOSEN_TEMPERATURES) == {"auto", *CRITERIA}
    assert parse_temperature("sure", "t") == "sure"
    assert parse_temperature("0.8", "t") == 0.8
    assert parse_temperature("0.8:0.6", "t") == "0.8:0.6"
    assert parse_temperature("0.9,0.5", "t") == [0.9, 0.5]
    assert parse_temperature((0.9, 0.5), "t") == [0.9, 0.5]


@pytest.mark.parametrize("task", TASKS)
def test_table_is_met_and_kept_outside(task):
    table = TABLES[task]
    for level, setting in table.items():
        assert interpolate(task, level) == pytest.approx(setting)
    assert interpolate(task, 1e-6) == pytest.approx(table[min(table)])
    assert interpolate(task, 1.0) == pytest.approx(table[max(table)])


def test_between_two_levels():
    low, high, *_ = sorted(TABLES["blur"])
    middle = interpolate("blur", (low + high) / 2)
    ends = TABLES["blur"][low], TABLES["blur"][high]
    assert middle == pytest.approx([sum(pair) / 2 for pair in zip(*ends, strict=True)])


def test_configs_are_frozen_after_validation():
    config = solve_config.validate(solve_config.default_config())
    with pytest.raises(AttributeError):
        config.seed = 1


def test_unknown_and_missing_keys():
    config = solve_config.default_config()
    with config.unlocked():
        config.speed = 3
    with pytest.raises(ValueError, match=r"config\.speed: unknown"):
        solve_config.validate(config)
    config = solve_config.default_config()
    del config.solver["tolerance"]
    with pytest.raises(ValueError, match=r"config\.solver\.tolerance: missing"):
        solve_config.validate(config)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.py")), ids=lambda p: p.stem)
def test_configs_are_valid(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = solve_config.validate(module.get_config())
    article = {
        "face_sr_x4": ("0.8:0.5", "5/255", 50, 10),
        "face_motion_deblur": ("0.99:0.8", "5/255", 50, 10),
        "face_gaussian_deblur": ("0.99:0.8", "5/255", 50, 10),
        "face_inpaint": ("0.3:0.8", "3/255", 100, 100),
    }
    if path.stem in article:
        solver = config.solver
        published = solver.temperature, solver.decoder_std, solver.max_steps
        assert (*published, solver.patience) == article[path.stem]
        assert solver.tolerance == 0
