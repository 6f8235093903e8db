"""jaxrestore explore: a sheet for each question, clear errors."""

import numpy as np
import pytest
from PIL import Image

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.explore import main
from jaxrestore.priors import VDVAE, PatchVDVAE, save_prior
from tests.contracts.test_priors import FLOW
from tests.priors.random_weights import random_glow, random_prior
from tests.priors.test_tools import GREY, PATCH


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore")
    save_prior(random_prior(VDVAE, GREY), folder / "w.safetensors", {})
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = rng.integers(0, 255, (20, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def run(folder, what, *flags):
    prior, output = folder / "w.safetensors", folder / f"{what}_sheet.png"
    arguments = ["explore", what, f"--prior={prior}", f"--output={output}", *flags]
    return run_command(main, arguments), output


@pytest.mark.parametrize(
    "what, flags",
    [
        ("sample", ["--temperature=0.5,1"]),
        ("reconstruct", ["--input={}"]),
        ("conditional", ["--input={}/a.png", "--groups=3"]),
        pytest.param(
            "conditional", ["--input={}/a.png", "--groups=0,1"], marks=pytest.mark.slow
        ),
        pytest.param(
            "interpolate",
            ["--input={}/a.png", "--second={}/b.png"],
            marks=pytest.mark.slow,
        ),
        ("kl", ["--input={}"]),
    ],
)
def test_sheets(folder, tmp_path, what, flags):
    flags = [flag.format(folder) for flag in flags]
    output = tmp_path / "sheet.png"
    code, _ = run(folder, what, "--count=2", *flags, f"--output={output}")
    assert code == 0
    picture = np.asarray(Image.open(output))
    assert picture.std() > 1 and min(picture.shape[:2]) > 50
    if what == "kl":
        assert len(output.with_suffix(".csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    "what, flags",
    [
        pytest.param("sample", ["--temperature=0.7"], marks=pytest.mark.slow),
        pytest.param("conditional", ["--input={}/a.png"], marks=pytest.mark.slow),
        ("interpolate", ["--input={}/a.png", "--second={}/b.png", "--groups=2"]),
        pytest.param("kl", ["--input={}"], marks=pytest.mark.slow),
    ],
)
def test_sheets_of_a_flow(folder, tmp_path, what, flags):
    save_prior(random_glow(FLOW), folder / "flow.safetensors", {})
    flags = [f"--prior={folder / 'flow.safetensors'}", "--count=2", *flags]
    flags = [flag.format(folder) for flag in flags]
    output = tmp_path / "sheet.png"
    code, _ = run(folder, what, *flags, f"--output={output}")
    assert code == 0
    assert np.asarray(Image.open(output)).std() > 1
    if what == "kl":
        assert len(output.with_suffix(".csv").read_text().splitlines()) == 3


def test_a_flow_has_no_reconstructions(folder, capsys):
    save_prior(random_glow(FLOW), folder / "flow.safetensors", {})
    code, _ = run(folder, "reconstruct", f"--prior={folder / 'flow.safetensors'}")
    assert code == 2 and "gives every image back" in capsys.readouterr().err


@pytest.mark.parametrize(
    "what, flags, message",
    [
        ("sample", ["--temperature=2"], "--temperature=2: expected a number above 0"),
        ("reconstruct", [], "--input: missing"),
        ("interpolate", ["--input={}/a.png"], "--second: missing"),
        ("conditional", ["--input={}/a.png", "--groups=9"], "--groups=9: expected"),
        ("sample", ["--prior=nobody"], "neither a bundled prior"),
        ("sample", ["--prior=alr-natural"], "is a Critic, expected a hierarchical"),
        ("sample", ["--sed=1"], "--sed"),
        ("dream", [], "--what=dream: expected one of sample, "),
    ],
)
def test_bad_input(folder, capsys, what, flags, message):
    code, output = run(folder, what, *[flag.format(folder) for flag in flags])
    captured = capsys.readouterr()
    assert code == 2 and message in captured.err and captured.err.count("\n") == 1
    assert not output.exists()


def test_sheets_hold_images_of_one_size(tmp_path, capsys):
    save_prior(random_prior(PatchVDVAE, PATCH), tmp_path / "w.safetensors", {})
    for name, width in (("a", 8), ("b", 9)):
        Image.new("RGB", (width, 8)).save(tmp_path / f"{name}.png")
    code, output = run(tmp_path, "reconstruct", f"--input={tmp_path}")
    assert code == 2 and "images of one size" in capsys.readouterr().err
    assert not output.exists()
