"""Table 3.1: the command with its training replaced, and the claim about its rows."""

from types import SimpleNamespace

import jax
import pytest

from jaxrestore.experiments import critics, groups
from jaxrestore.priors import Critic, GradientStep, save_prior
from tests.training import tiny


@pytest.mark.slow
def test_command_trains_a_critic_for_each_level(experiment, monkeypatch, tmp_path):
    trained = {}

    def train(config, workdir):  # the loop has its own tests, and compiles for long
        loss = config.loss
        added = getattr(loss, "add_noise", None)
        trained[workdir.name] = loss.min_noise_std, loss.max_noise_std, added
        workdir.mkdir(parents=True, exist_ok=True)
        (workdir / "metrics.csv").write_text("step,val_loss\n1,0.5\n")
        return SimpleNamespace(step=config.total_steps)

    def export(config, workdir, path):
        kind = Critic if config.recipe == "alr" else GradientStep
        save_prior(kind.create(config.model, jax.random.key(0)), path, {})

    monkeypatch.setattr(critics, "load_config", lambda _, name: tiny.values(name))
    monkeypatch.setattr(groups, "train", train)
    monkeypatch.setattr(groups, "export", export)
    folders = "--train={}/images", "--val={}/images", "--degraded={}/images"
    rows = experiment("critics", *folders, prior="none")
    assert trained == {
        "critic_0.1": (0.1, 0.1, True),
        "critic_0.05_to_0.3": (0.05, 0.3, True),
        "critic_quadratic": (0.05, 0.3, True),
        "critic_gradient_step": (0.05, 0.3, None),
    }
    interval = critics.INTERVAL
    critics_of = ["0.1", interval, f"{interval}, gradient_descent", *critics.OTHERS]
    assert [row["method"] for row in rows] == ["start", *critics_of]
    assert (tmp_path / "out" / "critics_patches.png").exists()
    assert "| 0.1 | 0.1: " in (tmp_path / "out" / "critics.md").read_text()


def test_the_claim_is_about_levels_from_its_own_on():
    rows = [
        {"noise": noise, "method": method, "psnr": psnr}
        for noise, method, psnr in [
            ("0.1", "0.1", 28.0),
            ("0.1", "0.2", 20.0),
            ("0.1", critics.INTERVAL, 27.5),
            ("0.2", "0.1", 23.0),
            ("0.2", "0.2", 24.5),
            ("0.2", critics.INTERVAL, 24.0),
            ("0.2", "total variation", 30.0),
        ]
    ]
    text = critics.claim((0.1, 0.2), rows)
    assert "| 0.1 | 0.1: 0.00, 0.2: 1.50 | no |" in text
    assert "| 0.2 | 0.2: 0.00 | yes |" in text
