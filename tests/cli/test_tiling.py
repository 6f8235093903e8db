"""Large images from the command line: --tile, and when it is chosen."""

import json
import re

import jax
import numpy as np
import pytest

from jaxrestore import priors
from jaxrestore.cli import forecast, tiling
from jaxrestore.data.images import read_image
from jaxrestore.solvers import TV, PnPHVAE

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
    assert record["tile"] == 116 and "in tiles of 116" in messages
    np.testing.assert_allclose(chosen, whole, atol=1.01 / 255)


@pytest.mark.slow
def test_memory_is_refused_with_a_remedy_that_can_be_taken(denoise, monkeypatch):
    monkeypatch.setattr(forecast, "LARGE", 100)
    monkeypatch.setattr(forecast, "free_memory", lambda: 1)
    monkeypatch.setattr(tiling, "_LEAST", 64)
    given = [("--tile=0", "take --tile=84, or cut it"), ("--tile=84", "free; cut it")]
    if jax.device_count() > 1:
        given.append(("--mesh=rows", "free; cut it"))
    for flag, remedy in given:
        code, messages, *_ = denoise(flag, "--max_minutes=0")
        assert code == 2 and remedy in messages, messages


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


def test_an_image_that_fits_a_tile_is_seen_whole(weights):
    prior = load_prior(str(weights))
    found = tiling.Tiling(PnPHVAE, prior, 1024)
    assert found.prior((300, 200, 3)) is found.prior((200, 1024, 3)) is prior
    assert found.prior((200, 1028, 3)).tile == 1024


def test_smaller_tiles_are_a_remedy_where_they_can_be_used(weights):
    prior, large = load_prior(str(weights)), (6000, 4000, 3)
    for wanted, side in ((0, 512), (1024, 512), (512, 0), (88, 0)):
        assert tiling.Tiling(PnPHVAE, prior, wanted).remedy(large) == side
    assert tiling.Tiling(PnPHVAE, prior, 0).remedy((500, 400, 3)) == 0
    assert tiling.Tiling(TV, None, 0).remedy(large) == 0


def test_automatic_tiles_are_never_above_the_largest(weights, monkeypatch):
    prior = load_prior(str(weights))
    monkeypatch.setattr(tiling, "temporaries", lambda *_: 700)
    monkeypatch.setattr(tiling, "free_memory", lambda: 1e8)
    monkeypatch.setattr(tiling, "_LARGEST", 120)  # less than four margins of 40
    found = tiling.Tiling(PnPHVAE, prior, "auto")
    assert found.prior((6000, 4000, 3)).tile == 120


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--tile=90",), "tile=90: expected a multiple of 4"),
        (("--tile=80",), "from 84 on"),
        (("--tile=-8",), "config.tile=-8"),
        (("--tile=large",), "config.tile=large: .*auto"),
        (
            ("--tile=88", "--solver.name=tv"),
            "--tile=88: has no use with the method tv without a prior, expected",
        ),
    ],
)
def test_tiles_that_cannot_be_used(denoise, flags, named, tmp_path):
    code, messages, *_ = denoise(*flags)
    assert code == 2 and not (tmp_path / "out").exists()
    assert re.search(named, messages), messages
