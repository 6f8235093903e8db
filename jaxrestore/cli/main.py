"""The command `jaxrestore`: one name for all command lines."""

import importlib
import os
import sys
from collections.abc import Sequence

from jaxrestore.cli.entry import run_command
from jaxrestore.errors import InputError

# Name -> module with main(argv), and what it does.
COMMANDS = {
    "solve": ("jaxrestore.cli.solve", "restore photographs"),
    "train": ("jaxrestore.cli.train", "train a prior"),
    "explore": ("jaxrestore.cli.explore", "show what a prior knows, as pictures"),
    "convert": ("jaxrestore.convert.__main__", "published checkpoints to ours"),
    "experiments": ("jaxrestore.experiments.command", "regenerate figures and tables"),
    "merge": ("jaxrestore.cli.merge", "one summary of what shards restored"),
}


def main(argv: Sequence[str]) -> int:
    """Run the command that the first argument names; returns its exit code.

    Raises:
        InputError: there is no such command, or its arguments cannot be used.
    """
    name = argv[1] if len(argv) > 1 else "--help"
    if name in ("--help", "-help", "-h", "help"):
        print("jaxrestore COMMAND --flag=value ...; jaxrestore COMMAND --help\n")
        print("\n".join(f"  {key:<12} {text}" for key, (_, text) in COMMANDS.items()))
        return 0
    if name not in COMMANDS:
        raise InputError(f"{name}: no such command, expected {', '.join(COMMANDS)}")
    command = importlib.import_module(COMMANDS[name][0])
    return command.main([f"jaxrestore {name}", *argv[2:]])


def script() -> None:
    """The console script."""
    sys.path.append(os.getcwd())  # recipes of one's own, "module:Class"
    sys.exit(run_command(main, sys.argv))
