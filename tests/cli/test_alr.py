"""solve.py with a critic: the files, scores and errors that PnP-HVAE has."""

import json

import jax
import pytest

from jaxrestore import priors
from jaxrestore.cli.entry import run_command
from jaxrestore.cli.outputs import FILES
from jaxrestore.cli.solve import main
from jaxrestore.solvers.presets import preset


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
        short = ("--config.stopping.max_steps=3",)
        code = run_command(main, ["solve.py", *flags, *short, *map(str, arguments)])
        return code, capsys.readouterr().err

    return solve


def summary(tmp_path):
    return json.loads((tmp_path / "out" / "summary.json").read_text())


@pytest.mark.parametrize("config", ["denoise_alr", "deblur_alr"])
@pytest.mark.parametrize(
    "simulate", [pytest.param(True, marks=pytest.mark.slow), False]
)
def test_a_photograph(solve, photo, tmp_path, config, simulate):
    wanted = ["--simulate"] if simulate else ["--noise_std=0.05", "--nocheck"]
    if config == "deblur_alr":
        wanted += ["--kernel.std=3"]
    code, said = solve(f"--config={config}", f"--input={photo()}", *wanted)
    assert code == 0, said
    (record,) = summary(tmp_path)["images"]
    assert record["steps"] == 3 and record["status"] == "max_steps"
    assert record["settings"]["weight"] > 0 and (record["psnr"] is not None) == simulate
    assert all((tmp_path / "out" / "photo" / file).is_file() for file in FILES)


@pytest.mark.slow
def test_grey_images_and_other_tasks(solve, photo, tmp_path):
    picture = photo(shape=(32, 40))
    code, said = solve("--config=inpaint", f"--input={picture}", "--simulate")
    assert code == 0, said
    assert summary(tmp_path)["images"][0]["shape"] == [32, 40, 1]


@pytest.mark.parametrize(
    "given",
    [{"weight": 0.7}, {"scaling": "literal"}, {"descent": "gradient_descent"}],
)
def test_settings_reach_the_solver(solve, critic, photo, tmp_path, given):
    flags = [f"--config.solver.{name}={value}" for name, value in given.items()]
    chosen = "--config=denoise_alr", f"--input={photo()}", "--simulate"
    code, said = solve(*chosen, *flags)
    found = preset("variational", str(critic), "identity", 0.1, given)
    expected = found.settings
    assert code == 0 and found.note in said
    used = summary(tmp_path)["images"][0]["settings"]
    assert {key: used[key] for key in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("temperature=0.5", "solver.temperature: unknown setting; expected one of"),
        ("cg_steps=2", "expected one of descent, final_learning_rate, learning_rate,"),
        ("weight=-1", "solver.weight=-1: expected a number above 0"),
        ("weight=much", "solver.weight=much: not a number"),
        ("scaling=sum", "solver.scaling=sum: expected one of"),
        ("descent=newton", "solver.descent=newton: expected one of"),
    ],
)
def test_bad_settings(solve, photo, flag, message):
    flag = f"--config.solver.{flag}"
    code, said = solve("--config=denoise_alr", f"--input={photo()}", flag)
    assert code == 2 and message in said and said.count("\n") == 1
