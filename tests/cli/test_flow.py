"""solve.py with a flow: both formulations, from the command line."""

import json

import pytest

from jaxrestore import priors
from jaxrestore.cli.entry import run_command
from jaxrestore.cli.solve import main
from tests.contracts.test_priors import FLOW
from tests.priors.random_weights import random_glow


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "flow.safetensors"
    priors.save_prior(random_glow(FLOW, scale=0.03), path, {})
    return path


@pytest.mark.parametrize(
    "config, solver",
    [
        ("glow_analysis", "analysis"),
        pytest.param("glow_synthesis", "synthesis", marks=pytest.mark.slow),
    ],
)
def test_a_face(flow, photo, tmp_path, config, solver):
    out = tmp_path / "out"
    arguments = [f"--config={config}", f"--prior={flow}", f"--output={out}"]
    arguments += [f"--input={photo(shape=(8, 8))}", "--simulate", "--nocheck"]
    code = run_command(main, ["solve.py", *arguments, "--config.stopping.max_steps=3"])
    assert code == 0
    (record,) = json.loads((out / "summary.json").read_text())["images"]
    assert record["solver"] == solver and record["steps"] == 3
    assert record["settings"]["misfit"] == "likelihood" and record["psnr"] is not None


def test_a_flow_is_analysed_unless_told_otherwise(flow):
    from jaxrestore.cli.solve_config import solver_name

    assert solver_name({"prior": str(flow)}) == "analysis"


def test_other_priors_are_refused(photo, tmp_path, capsys):
    arguments = ["--config=glow_analysis", "--prior=vae-faces64", "--simulate"]
    arguments += [f"--input={photo(shape=(8, 8))}", f"--output={tmp_path / 'out'}"]
    assert run_command(main, ["solve.py", *arguments]) == 2
    assert "expected a normalising flow such as a Glow" in capsys.readouterr().err
