"""Config files: every bundled one loads; every failure of a file is one line."""

import json
import math

import pytest

from jaxrestore.configfiles import config_names, find, load_config, merged
from jaxrestore.errors import InputError
from jaxrestore.settings import as_dict
from jaxrestore.training.config import train_config


@pytest.mark.parametrize("name", config_names("train"))
def test_bundled_training_configs(name):
    config = train_config(load_config(name, "train"), **{"data.train": "DIR"})
    assert config.total_steps >= config.eval_every
    saved = json.loads(json.dumps(as_dict(config), allow_nan=False))
    assert as_dict(train_config(saved)) == as_dict(config)
    assert train_config(saved).max_minutes == math.inf


@pytest.mark.parametrize("name", config_names("solve"))
def test_bundled_solve_configs(name):
    assert load_config(name, "solve")


def test_a_file_is_found_by_name_path_and_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundled = find("vae_faces64", "train")
    assert find("configs/train/vae_faces64.py", "train").samefile(bundled)
    assert find(str(bundled), "train") == bundled
    with pytest.raises(InputError, match="--config=vae: no such.*vae_faces64"):
        find("vae", "train")
    with pytest.raises(InputError, match="no such config file"):
        load_config(str(tmp_path), "train")


def test_an_argument_of_the_file():
    factors = [
        load_config(f"cvdvae_faces64{argument}", "train")["model"]["factor"]
        for argument in ("", ":2", ":8")
    ]
    assert factors == [4, 2, 8]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def get_config(:\n", ":1: SyntaxError"),
        ("\ndef get_config():\n  return 1 / 0\n", ":3: ZeroDivisionError: division"),
        ("import no_such_module\n", ":1: ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)\n", ":1: SystemExit: 3"),
        ("raise ValueError('two\\nlines')\n", "ValueError: two lines"),
        ("def get_config():\n  assert 0\n", ":2: AssertionError: no message"),
        ("x = 1\n", "AttributeError: .*get_config"),
        ("def get_config(): pass\n", "returned None, expected a dict"),
        ("def get_config(): return [1]\n", r"returned \[1\], expected a dict"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, text, says):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(InputError, match=f"--config={path}.*{says}") as error:
        load_config(str(path), "train")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="mine.py:x"):
        load_config(f"{path}:x", "train")


def test_values_are_replaced_in_a_copy():
    values = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(values, {"a.b": 5, "e.f": 6}) == {
        "a": {"b": 5, "c": 2},
        "d": 3,
        "e": {"f": 6},
    }
    assert values["a"] == {"b": 1, "c": 2}
    with pytest.raises(InputError, match="config.d=3: expected a section"):
        merged(values, {"d.x": 1})
