"""The command line of jaxrestore.experiments."""

import importlib
import shlex
from collections.abc import Sequence
from pathlib import Path

from jaxrestore.errors import InputError
from jaxrestore.experiments.flags import Parser, add_common
from jaxrestore.experiments.registry import EXPERIMENTS

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
    experiment = importlib.import_module(f"jaxrestore.experiments.{name}")
    parser = Parser(f"{_PROGRAM} {name}", experiment.__doc__)
    add_common(parser)
    experiment.add_flags(parser)
    if "--quick" in rest:
        parser.set_defaults(**experiment.QUICK)
    flags = parser.parse_args(rest)
    flags.command = shlex.join([*_PROGRAM.split(), *arguments])
    flags.name = name
    # Heavy imports only now: help and mistakes in flags are answered at once.
    from jaxrestore.cli.entry import keep_compiled_programs
    from jaxrestore.experiments.report import Report

    keep_compiled_programs()
    report = Report(Path(flags.out), flags)
    experiment.run(flags, report)
    report.finish()
    return 0


def _names() -> str:
    return f"expected one of {', '.join(EXPERIMENTS)}"


def _help() -> str:
    width = max(map(len, EXPERIMENTS))
    lines = [f"  {name:<{width}}  {text}" for name, text in EXPERIMENTS.items()]
    return _HEAD + "Experiments:\n" + "\n".join(lines)
