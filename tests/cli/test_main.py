"""The command `jaxrestore`: its help, its commands, its mistakes."""

import subprocess
import sys

import pytest

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.main import COMMANDS, main


def test_help(capsys):
    for arguments in ([], ["--help"]):
        assert run_command(main, ["jaxrestore", *arguments]) == 0
        out = capsys.readouterr().out
        assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(capsys, name):
    try:
        assert run_command(main, ["jaxrestore", name, "--help"]) == 0
    except SystemExit as stop:  # argparse
        assert stop.code == 0
    assert "--" in capsys.readouterr().out


def test_an_unknown_command(capsys):
    assert run_command(main, ["jaxrestore", "paint"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: paint: no such command, expected solve, train")
    assert error.count("\n") == 1


def test_module():
    command = [sys.executable, "-m", "jaxrestore", "train", "--config=vae_faces64"]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--config.optimizer.clip_norm" in done.stdout
