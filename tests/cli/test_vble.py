"""solve.py with a variational posterior: maps, draws and coverage."""

import json

import jax
import pytest

from jaxrestore import priors
from jaxrestore.cli import posterior
from jaxrestore.cli.entry import run_command
from jaxrestore.cli.outputs import FILES
from jaxrestore.cli.solve import main
from jaxrestore.priors import CAE, CAEConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file with an untrained autoencoder for two rates."""
    path = tmp_path_factory.mktemp("weights") / "cae.safetensors"
    config = CAEConfig("mean", 4, 4, rates=(0.01, 0.1))
    priors.save_prior(CAE.create(config, jax.random.key(0)), path, {})
    return path


@pytest.fixture
def solve(weights, tmp_path, photo, capsys):
    """solve(*arguments) -> (exit code, stderr, the image's record)."""

    def solve(*arguments, name="vble"):
        line = [
            "solve.py",
            "--config=configs/solve/gaussian_deblur.py",
            f"--prior={weights}",
            f"--solver.name={name}",
            "--stopping.max_steps=2",
            "--posterior.n_samples=4",
            "--kernel.size=5",
            "--nocheck",
            "--simulate",
            f"--input={photo()}",
            f"--output={tmp_path}/out",
            *arguments,
        ]
        code = run_command(main, line)
        summary = tmp_path / "out" / "summary.json"
        record = json.loads(summary.read_text())["images"][0] if code == 0 else {}
        return code, capsys.readouterr().err, record

    return solve


@pytest.mark.parametrize("name", ["vble", "vble_xz"])
def test_maps_draws_and_coverage(solve, tmp_path, name):
    code, error, record = solve("--solver.rate=auto", name=name)
    assert code == 0, error
    for file in FILES + posterior.FILES:
        assert (tmp_path / "out" / "photo" / file).is_file(), file
    assert 0 <= record["coverage90"] <= 1 and record["deviation_mean"] > 0
    assert record["rate"] == pytest.approx(0.01) or record["rate"] == pytest.approx(0.1)
    assert record["solver"] == name and record["psnr"] > 0


def test_the_weight_is_chosen_from_the_photograph(solve):
    code, error, record = solve("--solver.weight=auto", "--task=mask")
    assert code == 0, error
    assert record["settings"]["weight"] in (0.25, 0.5, 1.0, 2.0, 4.0)
    assert record["deviation_mean"] > 0
    assert record["gradients"] == 2 * 6  # five with fewer pixels, one with all
    code, error, record = solve("--solver.weight=auto", "--overwrite")
    assert code == 0 and "weight stays 1: " in error
    assert record["gradients"] == 2
    code, error, _ = solve("--solver.weight=auto", "--solver.rate=auto")
    assert code == 2 and "config.solver.weight, config.solver.rate" in error


def test_a_rate_that_was_not_trained(solve):
    code, error, _ = solve("--solver.rate=0.5")
    assert code == 2 and "rate=0.5: expected from 0.01 to 0.1" in error
