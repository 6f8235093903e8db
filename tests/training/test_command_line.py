"""What train.py says to a wrong command: one line, exit code 2."""

import re
import shutil

import pytest

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.train import main
from jaxrestore.data.files import exclusive

CONFIG = "--config=tests/training/toy_config.py"
IN_X = "--workdir=x"


@pytest.fixture(autouse=True)
def at_root(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)


def refusal(capsys, *arguments):
    """The only line that the command writes."""
    assert run_command(main, ["train.py", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--config is missing"),
        ([CONFIG], "--workdir is missing"),
        ([IN_X], "--config is missing; expected a file, or one of alr_natural"),
        ([IN_X, "--config=no/such.py"], "--config=no/such.py: no such config file"),
        (
            [CONFIG, IN_X, "--wokdir=x"],
            "--wokdir: unknown flag; did you mean --work",
        ),
        ([CONFIG, IN_X, "--config.batchsize=8"], "did you mean --config.batch_size?"),
        (
            [CONFIG, IN_X, "--data.patchsize=8"],
            "did you mean patch_size? expected one",
        ),
        ([CONFIG, IN_X, "--config.model.depth=8"], "expected one of width"),
        ([CONFIG, IN_X, "--batch_size=many"], "config.batch_size=many: expected"),
        ([CONFIG, "--export=x", "--workdir=/no", "--config="], "config.json cannot be"),
        ([CONFIG, "extra"], "extra: unexpected argument"),
    ],
)
def test_wrong_arguments(capsys, arguments, expected):
    assert expected in refusal(capsys, *arguments)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("batch_size=0", "config.batch_size=0: expected a whole number from 1"),
        ("ema_decay=1.0", "config.ema_decay=1.0"),
        ("data.kind=zip", "config.data.kind=zip: expected one of folder, tfds"),
        ("data.train=", "config.data.train=''"),
        ("data.train=/no/such/folder", "/no/such/folder"),
        ("data.scales=(4,1)", "config.data.scales=(4, 1)"),
        ("recipe=nothing", "config.recipe='nothing' is unknown"),
        ("recipe=no.such:Recipe", "no module 'no.such'"),
        ("recipe=tests.training.tiny:RECIPES", "no subclass of"),
        ("optimizer.learning_rate=-1", "config.optimizer.learning_rate=-1"),
        ("model.width=wide", "config.model.width=wide: expected a whole number"),
    ],
)
def test_wrong_values(capsys, image_folder, tmp_path, override, expected):
    given = [f"--config.data.train={image_folder}", f"--config.{override}"]
    line = refusal(capsys, CONFIG, f"--workdir={tmp_path / 'run'}", *given)
    assert expected in line
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_half_a_process_group(capsys, image_folder, tmp_path):
    arguments = [CONFIG, f"--workdir={tmp_path}", "--num_processes=2"]
    line = refusal(capsys, *arguments, f"--config.data.train={image_folder}")
    assert "belong together" in line


def test_help(capsys):
    assert run_command(main, ["train.py", "--help"]) == 0
    assert "--workdir" in capsys.readouterr().out


def test_help_of_a_config(capsys):
    assert run_command(main, ["train.py", CONFIG, "--help", "--seed=7"]) == 0
    out = capsys.readouterr().out
    for line in (
        r"--config.batch_size +of the whole job, over all devices \[8\]",
        r"--config.model.width +\[2\]",
        r"--config.seed .*\[7\]",
    ):
        assert re.search(line, out)


def test_export_needs_the_workdir_alone(capsys, image_folder, tmp_path):
    images = shutil.copytree(image_folder, tmp_path / "images")
    arguments = [f"--workdir={tmp_path / 'run'}", "--skip_gradient_norm=1e9"]
    run = [CONFIG, f"--data.train={images}", "--total_steps=1", *arguments]
    assert run_command(main, ["train.py", *run]) == 0
    shutil.rmtree(images)
    given = [arguments[0], f"--export={tmp_path / 'weights.safetensors'}"]
    assert run_command(main, ["train.py", *given]) == 0
    assert (tmp_path / "weights.safetensors").exists()
    capsys.readouterr()
    line = refusal(capsys, *given, "--seed=1")
    assert "config.seed=1 differs" in line


def test_a_folder_trains_once_at_a_time(capsys, image_folder, tmp_path):
    arguments = [CONFIG, f"--workdir={tmp_path}", "--config.total_steps=1"]
    arguments.append(f"--config.data.train={image_folder}")
    with exclusive(tmp_path, "--workdir"):
        line = refusal(capsys, *arguments)
    assert f"--workdir={tmp_path}: another process is writing there" in line
    assert not (tmp_path / "checkpoints").exists()
    assert run_command(main, ["train.py", *arguments]) == 0
