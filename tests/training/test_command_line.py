"""What train.py says to a wrong command: one line, exit code 2."""

import pytest

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.train import main
from jaxrestore.data.files import exclusive

CONFIG = "--config=tests/training/toy_config.py"


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
        (["--config=no/such.py"], "--config=no/such.py: no such config file"),
        ([CONFIG, "--wokdir=x"], "wokdir"),
        ([CONFIG, "--config.batchsize=8"], "batchsize"),
        ([CONFIG, "--config.data.patchsize=8"], "patchsize"),
        ([CONFIG, "--config.batch_size=many"], "batch_size=many"),
        ([CONFIG, "extra"], "extra: unexpected argument"),
    ],
)
def test_wrong_arguments(capsys, arguments, expected):
    assert expected in refusal(capsys, *arguments)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("batch_size=0", "config.batch_size=0: expected an integer > 0"),
        ("ema_decay=1.0", "config.ema_decay=1.0"),
        ("data.kind=zip", "config.data.kind='zip': expected folder or tfds"),
        ("data.train=", "config.data.train=''"),
        ("data.train=/no/such/folder", "/no/such/folder"),
        ("data.scales=(4,1)", "config.data.scales=(4, 1)"),
        ("recipe=nothing", "config.recipe='nothing' is unknown"),
        ("recipe=no.such:Recipe", "no module 'no.such'"),
    ],
)
def test_wrong_values(capsys, image_folder, tmp_path, override, expected):
    given = [f"--config.data.train={image_folder}", f"--config.{override}"]
    line = refusal(capsys, CONFIG, f"--workdir={tmp_path / 'run'}", *given)
    assert expected in line
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_broken_config_file(capsys, tmp_path):
    (tmp_path / "c.py").write_text("def get_config(:\n")
    assert "c.py:1" in refusal(capsys, f"--config={tmp_path / 'c.py'}")


def test_half_a_process_group(capsys, image_folder, tmp_path):
    arguments = [CONFIG, f"--workdir={tmp_path}", "--num_processes=2"]
    line = refusal(capsys, *arguments, f"--config.data.train={image_folder}")
    assert "belong together" in line


def test_help(capsys):
    assert run_command(main, ["train.py", "--help"]) == 0
    assert "--workdir" in capsys.readouterr().out


def test_a_folder_trains_once_at_a_time(capsys, image_folder, tmp_path):
    arguments = [CONFIG, f"--workdir={tmp_path}", "--config.total_steps=1"]
    arguments.append(f"--config.data.train={image_folder}")
    with exclusive(tmp_path, "--workdir"):
        line = refusal(capsys, *arguments)
    assert f"--workdir={tmp_path}: another process is writing there" in line
    assert not (tmp_path / "checkpoints").exists()
    assert run_command(main, ["train.py", *arguments]) == 0
