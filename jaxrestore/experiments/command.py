"""The command line of jaxrestore.experiments."""

import importlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxrestore.cli.entry import keep_compiled_programs
from jaxrestore.cli.flags import CommandLine
from jaxrestore.errors import InputError
from jaxrestore.experiments import EXPERIMENTS

_HEAD = """\
Regenerate a figure or table on your own weights and images.

  python -m jaxrestore.experiments NAME --images=DIR --out=DIR [--prior=...]
  python -m jaxrestore.experiments NAME --help

Writes OUT/NAME.csv (all numbers), OUT/NAME.png (a labelled picture) and OUT/NAME.md (a
table with command line, settings, seed, versions and device). --quick runs in seconds,
on few small images: a test, no result. Numbers of figures and tables are the thesis'.

"""
_PROGRAM = "python -m jaxrestore.experiments"


def main(argv: Sequence[str]) -> int:
    """Runs the experiment that the arguments name.

    Args:
        argv: program name, then the arguments.

    Returns:
        Exit code 0.

    Raises:
        InputError: the arguments, the prior or the images cannot be used.
    """
    arguments = list(argv[1:])
    if not arguments or arguments[0].startswith("-"):
        if set(arguments) & {"-h", "--help", "-help"}:
            print(_help())
            return 0
        raise InputError(f"the first argument names the experiment; {_names()}")
    name, rest = arguments[0], arguments[1:]
    if name not in EXPERIMENTS:
        raise InputError(f"{name}: no such experiment; {_names()}")
    keep_compiled_programs()
    experiment = importlib.import_module(f"jaxrestore.experiments.{name}")
    config = parse(experiment, [f"{_PROGRAM} {name}", *rest])
    if config is not None:
        from jaxrestore.evaluation.report import Report

        report = Report(name, config, shlex.join([*_PROGRAM.split(), *arguments]))
        try:
            experiment.run(config, report)
        except InputError:
            report.give_up()
            raise
    return 0


def parse(experiment: Any, argv: Sequence[str]) -> Any:
    """The experiment's settings from a command line; None after printing the help.

    Raises:
        InputError: an argument is unknown or missing, or its value cannot be used.
    """
    from jaxrestore.experiments.settings import configured

    kind = experiment.Config
    if "--quick" in argv:
        quick = type("Config", (kind,), {})
        kind = configured(quick=True, **experiment.QUICK)(quick)
    parsed = CommandLine(argv[0], experiment.__doc__, kind, lambda _: _None).parse(argv)
    if parsed is None:
        return None
    config = parsed.flags
    missing = [f"--{name}" for name in config.required if not getattr(config, name)]
    if missing:
        raise InputError(f"{', '.join(missing)}: missing; see {argv[0]} --help")
    return config


@dataclass(frozen=True)
class _None:
    """The dotted settings: none, all are plain flags."""


def _names() -> str:
    return f"expected one of {', '.join(EXPERIMENTS)}"


def _help() -> str:
    width = max(map(len, EXPERIMENTS))
    lines = [f"  {name:<{width}}  {text}" for name, text in EXPERIMENTS.items()]
    return _HEAD + "Experiments:\n" + "\n".join(lines)
