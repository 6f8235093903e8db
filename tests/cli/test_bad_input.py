"""Every mistake: one line that names it, exit code 2, no traceback, no output."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxrestore import priors
from jaxrestore.cli.entry import run_command
from jaxrestore.cli.solve import main
from tests.cli.conftest import ToyPrior

ROOT = Path(__file__).parents[2]


@pytest.fixture
def refused(run, tmp_path):
    """refused(*arguments, says=...): runs and checks the one line."""

    def refused(*arguments, says, output=tmp_path / "out", **settings):
        code, out, err = run(*arguments, output=output, **settings)
        assert code == 2 and out == ""
        lines = err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), err
        for text in [says] if isinstance(says, str) else says:
            assert text in lines[0]
        assert not (tmp_path / "out").exists()

    return refused


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--config=nothing", "motion_deblur"),
        ("--config", "--config=VALUE"),
        ("--config.x=3", "--x: unknown"),
        ("--config.solver.temprature=1", "did you mean temperature"),
        ("--config.stopping.max_steps=few", "few"),
        ("--config.stopping.max_steps=0", "max_steps=0"),
        ("--config.solver.temperature=1.5", "temperature=1.5"),
        ("--config.solver.temperature=0.9,x", "0.9,x"),
        ("--config.solver.decoder_std=-1", "decoder_std=-1"),
        ("--config.stopping.tolerance=-1", "tolerance=-1"),
        ("--config.task=magic", "identity"),
        ("--config.kernel.kind=round", "gaussian"),
        ("--noise_std=-0.1", "above 0"),
        ("--noise_std=0", "1/255"),
        ("--noise_std=25", "25/255"),
        ("--noise_std=nan", "not a number"),
        ("--noise_std=8/0", "not a number"),
        ("--noise_std=loud", "auto"),
        ("--seed=-1", "seed=-1"),
        ("--seed=x", "seed"),
        ("--nosuchflag", "nosuchflag"),
        ("--factor=2", "task is blur"),
        ("--mask=m.png", "task is blur"),
        ("--config.mask.path=m.png", "task is blur"),
        ("--boundary=unknown --task=resize", "task is resize"),
        ("photo.png", "--input=photo.png"),
        ("--nosimulate", "--input"),
        ("--input=", "--input=: expected a file or folder"),
        ("--output=", "--output=: expected a file or folder"),
        ("--config.solver.name=magic", "pnp_hvae"),
        ("--config.solver.name=tv --config.solver.temperature=1", "coupled, name, we"),
        ("--config.solver.name=variational", "regulariser: a ToyPrior is of no use"),
        ("--input=nowhere.png", "nowhere.png: cannot be read"),
    ],
)
def test_flags(refused, argument, says):
    refused(*argument.split(), says=says)


@pytest.mark.parametrize("kind", ["text", "truncated"])
def test_broken_image(refused, photo, tmp_path, kind):
    path = tmp_path / "broken.png"
    whole = photo(shape=(80, 80, 3)).read_bytes()
    path.write_bytes(b"some words" if kind == "text" else whole[: len(whole) // 2])
    refused(f"--input={path}", says=[str(path), "cannot be read"])


def test_folder_without_images(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(f"--input={tmp_path / 'empty'}", says="no image")


def test_folder_of_broken_images(run, tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "in" / f"{name}.png").write_text("no picture")
    code, out, err = run(f"--input={tmp_path / 'in'}")
    assert code == 1 and err.count("error:") == 2 and "Traceback" not in err


@pytest.mark.parametrize(
    "kernel",
    [
        np.zeros((5, 5)),
        np.full((5, 5), np.nan),
        np.ones((5, 5, 5)),
        np.ones((99, 99)),
        np.array("text"),
        None,
    ],
    ids=["zeros", "nan", "3d", "larger", "text", "missing"],
)
@pytest.mark.parametrize("mode", ["--simulate", "--nosimulate"])
def test_kernel(refused, photo, tmp_path, kernel, mode):
    path = tmp_path / "kernel.npy"
    if kernel is not None:
        np.save(path, kernel)
    refused(mode, f"--input={photo()}", f"--kernel={path}", says="kernel")


def test_kernel_of_the_config_is_larger(refused, photo):
    arguments = ("--simulate", "--config.kernel.size=51")
    refused(f"--input={photo()}", *arguments, says=["51x51", "larger", "32x40"])


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.full((32, 41), 255, np.uint8), "32x41"),
        (np.zeros((32, 40), np.uint8), "black everywhere"),
        (None, "does not exist"),
    ],
)
def test_mask(refused, photo, tmp_path, mask, says):
    path = tmp_path / "mask.png"
    if mask is not None:
        Image.fromarray(mask).save(path)
    arguments = (f"--input={photo()}", f"--mask={path}", "--config=inpaint")
    refused(*arguments, says=["--mask", says])


def test_inpainting_without_a_mask(refused, photo):
    refused(f"--input={photo()}", "--config=inpaint", says="--mask=FILE")


def test_noise_behind_too_many_holes(refused, photo, tmp_path):
    seen = np.random.default_rng(0).random((32, 40)) > 0.8
    np.save(tmp_path / "mask.npy", seen)
    arguments = (f"--input={photo()}", f"--mask={tmp_path / 'mask.npy'}")
    refused(*arguments, "--config=inpaint", says=["--noise_std=auto", "3/255"])


def test_factor_that_leaves_nothing(refused, photo):
    picture = photo(shape=(3, 42, 3))
    arguments = ("--simulate", "--config=sr_x4_decimated", f"--input={picture}")
    refused(*arguments, says=["--factor=4", "3x42", "larger image"])


def test_output_that_is_a_file(refused, photo, tmp_path):
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file" / "inside"):
        arguments = ("--simulate", f"--input={photo()}")
        refused(*arguments, output=output, says=["--output", "another"])


def test_output_with_another_summary(refused, photo, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "summary.json").write_text('{"images": 3}')
    arguments = ("--simulate", f"--input={photo()}")
    refused(*arguments, output=tmp_path / "other", says="summary.json")
    assert (tmp_path / "other" / "summary.json").read_text() == '{"images": 3}'


@pytest.mark.parametrize("kind", ["missing", "corrupt", "truncated", "other"])
def test_weights(weights, photo, tmp_path, capsys, kind):
    path = tmp_path / "weights.safetensors"
    if kind == "corrupt":
        path.write_bytes(b"not weights at all")
    elif kind == "truncated":
        path.write_bytes(weights.read_bytes()[:-100])
    elif kind == "other":
        from safetensors.numpy import save_file

        header = {**priors.read_metadata(weights)}
        save_file({"a": np.zeros(3, np.float32)}, path, metadata=header)
    output = tmp_path / "out"
    argv = ["solve.py", f"--prior={path}", f"--input={photo()}", f"--output={output}"]
    argv.append("--simulate")
    assert run_command(main, argv) == 2
    captured = capsys.readouterr()
    assert len(captured.err.strip().splitlines()) == 1 and str(path) in captured.err
    assert not output.exists() and captured.out == ""


def test_temperatures_for_another_number_of_groups(refused, photo):
    setting = "--config.solver.temperature=0.9,0.8"
    refused("--simulate", f"--input={photo()}", setting, says="temperature")


def test_colour_image_with_a_grey_prior(refused, photo, monkeypatch):
    grey = priors.PatchVDVAEConfig(image_channels=1)
    monkeypatch.setattr(ToyPrior, "config", grey)
    refused("--simulate", f"--input={photo()}", says="grey")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("def get_config(:", "SyntaxError"),
        ("def get_config():\n    return 1 / 0", "config.py:2: ZeroDivisionError"),
        ("import nothing_of_the_kind", "config.py:1: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)", "config.py:2: SystemExit"),
        ("def get_config():\n    return {'speed': 3}", "config.speed: unknown"),
    ],
)
def test_config_files_that_fail(refused, tmp_path, lines, says):
    (tmp_path / "config.py").write_text(lines)
    refused(f"--config={tmp_path / 'config.py'}", says=says)


def test_divergence_is_reported(run, photo, tmp_path, monkeypatch):
    broken = ToyPrior(gain=float("nan"))
    monkeypatch.setattr(priors, "load_prior", lambda path: broken)
    arguments = ("--simulate", f"--input={photo()}")
    code, _, err = run(*arguments, "--nocheck")
    assert code == 2 and "diverged" in err and "Traceback" not in err
    assert not (tmp_path / "out" / "photo").exists()
    code, _, err = run(*arguments)
    assert code == 0 and "mismatch: " in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--input=nowhere.png"],
        pytest.param(["--config.solver.x=1"], marks=pytest.mark.slow),
        pytest.param(["--noise_std=9"], marks=pytest.mark.slow),
    ],
)
def test_as_a_program(tmp_path, arguments):
    command = [sys.executable, str(ROOT / "solve.py"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
