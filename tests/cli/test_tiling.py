"""Large images from the command line: --tile, and when it is chosen."""

import json
import re

import numpy as np
import pytest

from jaxrestore import priors
from jaxrestore.cli import forecast, tiling
from jaxrestore.data.images import read_image
from jaxrestore.solvers import PnPHVAE

load_prior = priors.load_prior  # that of the command line's tests gives a toy


@pytest.fixture
def denoise(run, weights, photo, tmp_path, monkeypatch):
    """denoise(*flags, output) -> (exit code, messages, image, record)."""
    monkeypatch.setattr(priors, "load_prior", load_prior)
    source = photo("a.png", (120, 20, 3))

    def denoise(*flags, output="out"):
        given = "--config=denoise", f"--input={source}", "--noise_std=0.1", "--nocheck"
        folder = tmp_path / output
        code, _, messages = run(
            *given, "--no_figures", *flags, prior=weights, output=folder
        )
        if code:
            return code, messages, None, None
        record = json.loads((folder / "summary.json").read_text())["images"][0]
        return code, messages, read_image(folder / "a/restored.png").pixels, record

    return denoise


@pytest.mark.slow
def test_tiles_from_the_command_line(denoise, monkeypatch):
    _, _, whole, record = denoise("--tile=0", output="whole")
    assert "tile" not in record
    *_, tiled, record = denoise("--tile=88", output="tiled")
    assert record["tile"] == 88
    np.testing.assert_allclose(tiled, whole, atol=1.01 / 255)
    # Chosen where the network's temporaries would take more than half of the memory.
    monkeypatch.setattr(tiling, "LARGE", 100)
    monkeypatch.setattr(forecast, "LARGE", 100)
    monkeypatch.setattr(tiling, "free_memory", lambda: 1e5)
    monkeypatch.setattr(tiling, "_LEAST", 64)
    _, messages, chosen, record = denoise("--max_minutes=0", output="chosen")
    assert record["tile"] == 160 and "in tiles of 160" in messages
    np.testing.assert_allclose(chosen, whole, atol=1.01 / 255)


def test_tiles_where_memory_is_short(weights, monkeypatch):
    monkeypatch.setattr(tiling, "temporaries", lambda *_: 700)
    prior = load_prior(str(weights))
    for gigabytes, side in ((100, 0), (20, 1888), (4, 844), (0.1, 512)):
        monkeypatch.setattr(tiling, "free_memory", lambda n=gigabytes: n * 1e9)
        found = tiling.Tiling(PnPHVAE, prior, "auto")
        assert getattr(found.prior((6000, 4000, 3)), "tile", 0) == side
        assert found.prior((1000, 1000, 3)) is prior
    monkeypatch.setattr(tiling, "free_memory", lambda: 100e9)
    assert found.prior((6000, 4000, 3)).tile == 512  # of one size always the same
    assert tiling.Tiling(PnPHVAE, prior, 0).prior((6000, 4000, 3)) is prior


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--tile=90",), "tile=90: expected a multiple of 4"),
        (("--tile=80",), "from 84 on"),
        (("--tile=-8",), "config.tile=-8"),
        (("--tile=large",), "config.tile=large: .*auto"),
        (("--tile=88", "--solver.name=tv"), "--tile=88: has no use with the method tv"),
    ],
)
def test_tiles_that_cannot_be_used(denoise, flags, named, tmp_path):
    code, messages, *_ = denoise(*flags)
    assert code == 2 and not (tmp_path / "out").exists()
    assert re.search(named, messages), messages
