"""The loop in one process: devices, resume, skipped updates, records."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from jaxrestore.configs.train import patch_vdvae_published, patch_vdvae_thesis
from jaxrestore.errors import InputError
from jaxrestore.training import loop, progress
from jaxrestore.training.loop import Trainer
from jaxrestore.training.recipes.hvae import warmed_up_cosine
from jaxrestore.training.recipes.patch_vdvae import PatchOptimizer
from tests.training import tiny
from tests.training.runs import assert_same_bits, losses, read_rows, run


def test_there_are_eight_devices():
    assert jax.device_count() == 8


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param((), marks=pytest.mark.slow),
        (("kernel$", "fsdp"), (".", "replicate")),
    ],
)
def test_eight_devices_train_as_one(make_config, tmp_path, rules):
    config = make_config(log_every=1, sharding=rules, **{"model.width": 8})
    one = run(config, tmp_path / "one", devices=1)
    eight = run(config, tmp_path / "eight", devices=8)
    assert losses(tmp_path / "one").shape == (20,)
    np.testing.assert_allclose(
        losses(tmp_path / "eight"), losses(tmp_path / "one"), rtol=1e-4
    )
    kernel = eight.state.params["encoder"]["kernel"]
    assert kernel.sharding.is_fully_replicated == (not rules)
    moments = jax.tree.leaves(eight.state.opt_state)
    assert any(not m.sharding.is_fully_replicated for m in moments) == bool(rules)
    np.testing.assert_allclose(
        kernel, one.state.params["encoder"]["kernel"], rtol=1e-4, atol=1e-6
    )


def test_resume_is_exact(make_config, tmp_path):
    whole = run(make_config(), tmp_path / "whole")
    run(make_config(total_steps=7), tmp_path / "parts")
    parts = run(make_config(), tmp_path / "parts")
    assert_same_bits(parts.state, whole.state)
    assert int(parts.state.step) == 20


def test_resume_on_other_devices(make_config, tmp_path):
    rules = (("kernel", "fsdp"),)
    config = make_config(total_steps=7, sharding=rules, **{"model.width": 8})
    run(config, tmp_path, devices=8)
    config = make_config(**{"model.width": 8})
    trainer = run(config, tmp_path, devices=2)
    whole = run(config, tmp_path / "whole")
    np.testing.assert_allclose(
        trainer.state.params["decoder"]["kernel"],
        whole.state.params["decoder"]["kernel"],
        rtol=1e-4,
        atol=1e-6,
    )


class SpoiledBatches:
    """Replaces one batch of the stream by NaN."""

    def __init__(self, batches, bad):
        self._batches, self._bad, self._taken = batches, bad, 0

    def __next__(self):
        batch = next(self._batches)
        self._taken += 1
        if self._taken - 1 == self._bad:
            batch = {"image": np.full_like(batch["image"], np.nan)}
        return batch

    def __getattr__(self, name):
        return getattr(self._batches, name)


def spoil_batch(trainer, bad=3):
    trainer.batches = SpoiledBatches(trainer.batches, bad)
    trainer.checkpoints.save = lambda *_: None


def test_nan_batch_is_skipped_and_counted(make_config, tmp_path):
    before = run(make_config(total_steps=3), tmp_path / "before")
    after = run(make_config(total_steps=4), tmp_path / "after", spoil=spoil_batch)
    for part in ("params", "ema", "opt_state"):
        assert_same_bits(getattr(after.state, part), getattr(before.state, part))
    assert int(after.state.step) == 4 and int(after.state.skipped) == 1
    on = run(make_config(), tmp_path / "on", spoil=spoil_batch)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(on.state.params))
    rows = read_rows(tmp_path / "on")
    assert [row["skipped_updates"] for row in rows] == ["1"] * 4
    assert np.isfinite(losses(tmp_path / "on")).all()


def test_exploding_gradient_is_skipped(make_config, tmp_path):
    config = make_config(skip_gradient_norm=1e-9, total_steps=4)
    trainer = run(config, tmp_path)
    assert int(trainer.state.skipped) == 4
    assert_same_bits(trainer.state.params, trainer.state.ema)


@pytest.mark.parametrize("log_every", [1, 5, 7])
def test_a_run_that_learns_nothing_stops(make_config, tmp_path, log_every):
    config = make_config(skip_gradient_norm=1e-9, log_every=log_every)
    says = f"step {max(log_every, 5)}: all .*skipped.*raise config.skip_gradient_norm"
    with pytest.raises(InputError, match=says):
        run(config, tmp_path)
    config = make_config(log_every=log_every, **{"optimizer.learning_rate": 1e38})
    with pytest.raises(InputError, match="skipped.*lower config.optimizer"):
        run(config, tmp_path / "diverged")


@pytest.mark.parametrize("start", [0, 2, 5, 9])
@pytest.mark.parametrize("warmup", [0, 1, 4])
def test_warm_up_plateau_cosine(warmup, start):
    given = {"total_steps": 9, "optimizer.warmup": warmup}
    given |= {"optimizer.decay_start": start, "optimizer.final_learning_rate": 1e-3}
    rate = warmed_up_cosine(tiny.make("vae", given))
    rates = np.array([rate(step) for step in range(10)]) / 1e-2
    start = max(start, warmup)
    np.testing.assert_allclose(rates[:warmup], np.arange(warmup) / max(warmup, 1))
    np.testing.assert_allclose(rates[warmup : start + 1], 1, rtol=1e-6)
    phase = np.arange(10 - start) / max(9 - start, 1)
    falls = 0.1 + 0.9 * (1 + np.cos(np.pi * phase)) / 2
    np.testing.assert_allclose(rates[start:], falls, rtol=1e-5)


@pytest.mark.parametrize(
    "module, last", [(patch_vdvae_published, 4.76e-4), (patch_vdvae_thesis, 2.35e-4)]
)
def test_the_published_cosine_is_longer_than_the_training(module, last):
    given = module.get_config()
    optimizer, steps = PatchOptimizer(**given["optimizer"]), given["total_steps"]
    rate = warmed_up_cosine(SimpleNamespace(optimizer=optimizer, total_steps=steps))
    assert float(rate(50_000)) == pytest.approx(1e-3)
    assert float(rate(steps)) == pytest.approx(last, rel=2e-3)
    assert float(rate(800_000)) == pytest.approx(2e-4)


def test_records(make_config, image_folder, tmp_path):
    config = make_config(total_steps=12, **{"data.val": str(image_folder)})
    run(config, tmp_path)
    # A run that was killed had got to step 15 without a checkpoint there.
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("15,1,1,0,1,1,\n17,")
    run(make_config(**{"data.val": str(image_folder)}), tmp_path)
    rows = read_rows(tmp_path)
    assert [int(r["step"]) for r in rows if r["loss"]] == [5, 10, 15, 20]
    assert [int(r["step"]) for r in rows if r["val_loss"]] == [10, 12, 20]
    assert float(rows[-1]["val_loss"]) < float(rows[2]["val_loss"])
    sheets = sorted(p.name for p in (tmp_path / "sheets").iterdir())
    assert sheets[-1] == "step_0000020_reconstructions.png" and len(sheets) == 3
    assert (tmp_path / "config.json").exists()
    assert any((tmp_path / "tensorboard").iterdir())
    kept = sorted(int(p.name) for p in (tmp_path / "checkpoints").iterdir())
    assert kept == [15, 20]


def test_time_limit_stops_with_a_checkpoint(make_config, tmp_path):
    config = make_config(max_minutes=1e-9)
    trainer = Trainer(config, tmp_path, jax.devices()[:1])
    assert trainer.run() == "max_minutes"
    assert trainer.checkpoints.latest_step() == 1
    trainer.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 16),
        ("model.width", 3),
        ("data.patch_size", 4),
        ("seed", 1),
        ("ema_decay", 0.5),
        ("skip_gradient_norm", 7.0),
    ],
)
def test_checkpoint_of_another_config(make_config, tmp_path, field, value):
    run(make_config(total_steps=1), tmp_path)
    with pytest.raises(InputError, match=rf"config\.{field}={value}.*--workdir"):
        Trainer(make_config(**{field: value}), tmp_path, jax.devices()[:1])


def test_other_training_images(make_config, tmp_path):
    run(make_config(total_steps=1), tmp_path / "run")
    (tmp_path / "other").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "other" / "a.png")
    config = make_config(**{"data.train": str(tmp_path / "other")})
    with pytest.raises(InputError, match=r"config\.data\.train="):
        Trainer(config, tmp_path / "run", jax.devices()[:1])


def test_other_pixels_under_the_same_names(make_config, image_folder, tmp_path):
    def copy(path):
        Image.open(path).save(tmp_path / "own" / f"{path.stem}.bmp")

    (tmp_path / "own").mkdir()
    for path in image_folder.iterdir():
        copy(path)
    config = make_config(total_steps=1, **{"data.train": str(tmp_path / "own")})
    run(config, tmp_path / "run")
    changed = tmp_path / "own" / "3.bmp"
    size = changed.stat().st_size
    pixels = np.array(Image.open(changed))
    pixels[11, 17] += 1
    Image.fromarray(pixels).save(changed)
    assert changed.stat().st_size == size
    with pytest.raises(InputError, match=r"config\.data\.train="):
        Trainer(config, tmp_path / "run", jax.devices()[:1])


def test_what_takes_long_is_announced(
    make_config, image_folder, tmp_path, monkeypatch, capsys
):
    config = make_config(total_steps=2, **{"data.val": str(image_folder)})
    run(config, tmp_path / "quick")
    assert "..." not in capsys.readouterr().err
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    run(config, tmp_path / "slow")
    said = capsys.readouterr().err
    parts = ("reading the images", "compiling the training step", "evaluating")
    for what in (*parts, "drawing sheets"):
        assert said.count(f"{what} (") == said.count(f"{what}: done in") == 1


def test_batch_must_split_over_devices(make_config, tmp_path):
    with pytest.raises(InputError, match="batch_size=9"):
        Trainer(make_config(batch_size=9), tmp_path)


def test_training_starts_from_given_weights(make_config, tmp_path, monkeypatch):
    first = run(make_config(total_steps=5), tmp_path / "first")
    weights = jax.device_get(first.state.ema)
    given = SimpleNamespace(params=weights)
    monkeypatch.setattr(loop, "load_prior", lambda name: {"mine": given}[name])
    config = make_config(init_from="mine", total_steps=7)
    second = Trainer(config, tmp_path / "second", jax.devices()[:1])
    assert second.step == 0
    assert_same_bits((second.state.params, second.state.ema), (weights, weights))
    second.run()
    second.close()
    resumed = Trainer(config, tmp_path / "second", jax.devices()[:1])
    assert_same_bits(resumed.state.params, second.state.params)
    resumed.close()
    wider = Trainer(
        make_config(init_from="mine", **{"model.width": 5}), tmp_path / "third"
    )
    kernel = wider.state.params["decoder"]["kernel"]
    np.testing.assert_array_equal(kernel[:2], weights["decoder"]["kernel"])
    assert not kernel[2:].any()
    wider.close()
    narrower = make_config(init_from="mine", **{"model.width": 1})
    with pytest.raises(InputError, match="init_from.*kernel.*expects"):
        Trainer(narrower, tmp_path / "fourth")
