"""The command-line layer, on a method whose settings depend on its name."""

from dataclasses import dataclass, make_dataclass

import pytest

from jaxrestore import settings
from jaxrestore.cli.flags import CommandLine
from jaxrestore.errors import InputError
from jaxrestore.settings import section, setting


@dataclass(frozen=True)
class Flags:
    config: str = setting("", settings.text, "config file")
    output: str = setting("out", settings.text, "folder")
    overwrite: bool = setting(False, settings.flag, "again")


@dataclass(frozen=True)
class Smooth:
    name: str = setting("smooth", settings.text)
    weight: float = setting(1.0, settings.number(0), "of the prior")
    tune: bool = setting(True, settings.flag, "the weight")


@dataclass(frozen=True)
class Deep:
    name: str = setting("deep", settings.text)
    temperature: float = setting(0.9, settings.number(0, 1))
    levels: tuple = setting((1, 2), settings.sequence(settings.count()))


@dataclass(frozen=True)
class Config:
    noise_std: float | str = setting("auto", settings.level("auto"), "of y")
    start: int | None = setting(None, settings.count(-5, none=True))


METHODS = {"smooth": Smooth, "deep": Deep}


def schema(values):
    name = values.get("solver", {}).get("name", "smooth")
    if name not in METHODS:
        raise InputError(f"config.solver.name={name}: expected {', '.join(METHODS)}")
    fields = [("solver", METHODS[name], section(METHODS[name]))]
    return make_dataclass("Config", fields, bases=(Config,), frozen=True)


SMOOTH = {"name": "smooth", "weight": 3.0, "tune": False}
FILES = {"": {}, "soft": {"noise_std": 0.1, "solver": SMOOTH}}


def parse(*arguments, **more):
    line = CommandLine(
        "restore",
        "Restores.",
        Flags,
        schema,
        lambda flags: FILES[flags.config],
        resets={"solver.name": ("solver",)},
        positional="output",
        **more,
    )
    return line.parse(["restore", *arguments])


def test_settings_and_their_short_names():
    parsed = parse("--noise_std=8/255", "--config.solver.weight", "2", "--overwrite")
    assert parsed.config.noise_std == 8 / 255
    assert parsed.config.solver == Smooth(weight=2.0)
    assert parsed.flags == Flags(overwrite=True)
    expected = {"noise_std": "8/255", "solver.weight": "2", "overwrite": "true"}
    assert parsed.given == expected
    assert parse("--start", "-3").config.start == -3
    assert parse("--start=1", "--config.start=2").config.start == 2


@pytest.mark.parametrize(
    ("argument", "tune"),
    [
        ("--solver.tune", True),
        ("--nosolver.tune", False),
        ("--no-solver.tune", False),
        ("--noconfig.solver.tune", False),
        ("--config.solver.tune=false", False),
    ],
)
def test_booleans(argument, tune):
    assert parse(argument).config.solver.tune is tune


def test_the_line_wins_over_the_file_wherever_it_stands():
    for arguments in (["--solver.weight=5", "--config=soft"], ["--config", "soft"]):
        parsed = parse(*arguments)
        weight = 5.0 if len(arguments[0]) > 8 else 3.0
        assert parsed.config.solver == Smooth(weight=weight, tune=False)
        assert parsed.config.noise_std == 0.1


def test_another_method_begins_anew():
    parsed = parse("--config=soft", "--solver.name=deep", "--solver.levels=3,4")
    assert parsed.config.solver == Deep(levels=(3, 4))
    same = parse("--config=soft", "--solver.name=smooth")
    assert same.config.solver == Smooth(weight=3.0, tune=False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--solver.wieght=1"], "solver.wieght: unknown.*mean weight.*one of name, t"),
        (["--solver.name=deep", "--solver.weight=1"], "one of levels, name, temperat"),
        (["--solver.name=magic"], "config.solver.name=magic: expected smooth, deep"),
        (["--ouput=x"], "--ouput: unknown flag; did you mean --output"),
        (["--noise_sdt=1"], "did you mean --config.noise_std"),
        (["--nooutput"], "--nooutput: unknown flag"),
        (["--output"], "--output: has no value, expected --output=VALUE"),
        (["--solver.weight"], "--solver.weight: has no value"),
        (["--nosolver.tune=3"], "expected --nosolver.tune alone"),
        (["--overwrite=maybe"], "--overwrite=maybe: expected true or false"),
        (["--solver.weight=-1"], "config.solver.weight=-1: expected a number from 0"),
        (["--start.x=1"], "unknown"),
        (["x.png"], "x.png: unexpected argument.*--output=x.png; see restore --help"),
        (["--output=a", "b"], "b: unexpected argument"),
    ],
)
def test_mistakes(arguments, says):
    with pytest.raises(InputError, match=says) as error:
        parse(*arguments)
    assert "\n" not in str(error.value)


def test_required_flags():
    with pytest.raises(InputError, match="--output is missing; see restore --help"):
        parse(required=("output",))
    assert parse("--output=x", required=("output",)).flags.output == "x"


def test_help_shows_every_setting_with_its_value(capsys):
    assert parse("--help", "--config=soft", required=("output",)) is None
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Restores."
    shown = [line.split()[0] + " " + line.split()[-1] for line in lines if "[" in line]
    assert "--output [out]" in shown and "--config.noise_std [0.1]" in shown
    assert "--config.solver.weight [3.0]" in shown
