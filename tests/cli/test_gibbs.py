"""solve.py with chains: maps, the animated chain, and what tells how they mixed."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxrestore.cli import posterior
from jaxrestore.cli.entry import run_command
from jaxrestore.cli.outputs import FILES
from jaxrestore.cli.solve import main
from jaxrestore.report.animation import animate

pytestmark = pytest.mark.slow


def test_maps_chain_and_diagnostics(weights, photo, tmp_path, capsys):
    line = [
        "solve.py",
        "--config=configs/solve/gaussian_deblur.py",
        f"--prior={weights}",
        "--solver.name=gibbs",
        "--solver.decoder_std=0.05",
        "--solver.blocks=2",
        "--sampling.n_samples=12",
        "--sampling.burn_in=2",
        "--kernel.size=5",
        "--nocheck",
        "--simulate",
        f"--input={photo()}",
        f"--output={tmp_path}/out",
    ]
    assert run_command(main, line) == 0, capsys.readouterr().err
    folder = tmp_path / "out" / "photo"
    for file in FILES + posterior.CHAIN_FILES:
        assert (folder / file).is_file(), file
    assert Image.open(folder / "chain.gif").n_frames == 3
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    (record,) = summary["images"]
    assert record["status"] == "drawn" and record["finite_draws"] == [3] * 4
    assert len(record["accepted"]) == 2 and 0 <= record["coverage90"] <= 1
    assert record["evaluations"] == 4 * (1 + 5 * 3)
    assert run_command(main, line) == 0
    assert "1 of 1 done before" in capsys.readouterr().err
    assert run_command(main, [*line, "--output_image=image"]) == 2
    assert "the mean of its draws" in capsys.readouterr().err


def test_an_animated_picture(tmp_path):
    frames = [np.full((4, 6, 3), value) for value in (0.2, 0.5, np.nan)]
    animate(tmp_path / "a.gif", frames)
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 3
        assert min(picture.size) >= 192
