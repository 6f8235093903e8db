"""solve.py with a critic: the files, scores and errors that PnP-HVAE has."""

import json

import jax
import pytest

from jaxrestore import priors
from jaxrestore.cli.batch import FILES
from jaxrestore.cli.settings import PUBLISHED_WEIGHTS, TASKS, WEIGHTS
from jaxrestore.cli.solve import main


@pytest.fixture(scope="module")
def critic(tmp_path_factory):
    """A small untrained critic in a file."""
    path = tmp_path_factory.mktemp("weights") / "critic.safetensors"
    config = priors.CriticConfig(widths=(4, 4))
    priors.save_prior(priors.Critic.create(config, jax.random.key(0)), path, {})
    return path


@pytest.fixture
def solve(critic, tmp_path, capsys):
    """solve(*arguments) -> (exit code, stderr), three steps."""

    def solve(*arguments):
        flags = f"--prior={critic}", f"--output={tmp_path / 'out'}"
        short = ("--config.solver.max_steps=3",)
        code = main(["solve.py", *flags, *short, *map(str, arguments)])
        return code, capsys.readouterr().err

    return solve


def summary(tmp_path):
    return json.loads((tmp_path / "out" / "summary.json").read_text())


@pytest.mark.parametrize("config", ["denoise_alr", "deblur_alr"])
@pytest.mark.parametrize("simulate", [True, False])
def test_a_photograph(solve, photo, tmp_path, config, simulate):
    wanted = ["--simulate"] if simulate else ["--noise_std=0.05"]
    code, said = solve(f"--config={config}", f"--input={photo()}", *wanted)
    assert code == 0, said
    (record,) = summary(tmp_path)["images"]
    assert record["steps"] == 3 and record["status"] == "max_steps"
    assert record["weight"] > 0 and (record["psnr"] is not None) == simulate
    assert all((tmp_path / "out" / "photo" / file).is_file() for file in FILES)


def test_grey_images_and_other_tasks(solve, photo, tmp_path):
    picture = photo(shape=(32, 40))
    code, said = solve("--config=inpaint", f"--input={picture}", "--simulate")
    assert code == 0, said
    assert summary(tmp_path)["images"][0]["shape"] == [32, 40, 1]


@pytest.mark.parametrize(
    ("flags", "weight"),
    [
        (["--config.solver.weight=0.7"], 0.7),
        (["--config.solver.scaling=literal"], PUBLISHED_WEIGHTS[0.1]),
        (["--config.solver.descent=gradient_descent"], WEIGHTS["identity"][0.1]),
    ],
)
def test_settings_reach_the_solver(solve, photo, tmp_path, flags, weight):
    chosen = "--config=denoise_alr", f"--input={photo()}", "--simulate"
    assert solve(*chosen, *flags)[0] == 0
    assert summary(tmp_path)["images"][0]["weight"] == pytest.approx(weight)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--config.solver.temperature=0.5", "solver.temperature=0.5: has no use"),
        ("--config.solver.cg_steps=2", "solver.cg_steps=2: has no use"),
        ("--config.solver.weight=-1", "solver.weight=-1: expected from"),
        ("--config.solver.weight=much", "solver.weight=much: not a number"),
        ("--config.solver.scaling=sum", "solver.scaling=sum: expected one of"),
        ("--config.solver.descent=newton", "solver.descent=newton: expected one of"),
    ],
)
def test_bad_settings(solve, photo, flag, message):
    code, said = solve("--config=denoise_alr", f"--input={photo()}", flag)
    assert code == 2 and message in said and said.count("\n") == 1


def test_a_setting_of_critics_has_no_use_elsewhere(run, photo):
    code, _, said = run(f"--input={photo()}", "--config.solver.weight=2")
    assert code == 2 and "solver.weight=2: has no use" in said


def test_every_task_has_a_weight():
    assert set(WEIGHTS) == set(TASKS)
