"""The experiment on Gibbs draws."""

import pytest

from jaxrestore.experiments import chains

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("blocks", ["none", "2"])
def test_calibration(experiment, blocks):
    rows = experiment("calibration", "--val={}/images", f"--blocks={blocks}")
    assert len(rows) == 2
    for row in rows:
        covered = [float(row[f"covered_{q}"]) for q in ("0.1", "0.5", "0.95")]
        assert 0 <= covered[0] <= covered[1] <= covered[2] <= 1
        assert float(row["recalibrated_0.5"]) >= 0.3 and float(row["ess"]) > 0
        assert (blocks == "none") == ("accepted" not in row)
        assert blocks == "none" or 0 < float(row["stride_2"]) <= 1


def test_a_stopped_run_goes_on(experiment, monkeypatch):
    arguments = "calibration", "--val={}/images", "--tasks=blur,motion"
    few = experiment(*arguments, "--max_images=1", prior="patch")
    computed = []
    kept = chains.measured
    monkeypatch.setattr(
        chains, "measured", lambda *a, **k: computed.append(1) or kept(*a, **k)
    )
    again = experiment(*arguments, "--max_images=1")
    assert again == few and not computed
    more = experiment(*arguments, "--temperature=1", "--tune_images=1")
    assert len(computed) == 2 and [r["task"] for r in more] == 2 * ["blur"] + 2 * [
        "motion"
    ]
    assert [row for row in more if row["image"] == few[0]["image"]] == few


def test_settings_are_chosen_on_other_images(experiment, tmp_path):
    flags = "--val={}/images", "--temperature=0.5,1", "--tune_images=1"
    rows = experiment("calibration", *flags, "--decoder_std=9", "--max_images=1")
    text = (tmp_path / "out" / "calibration.md").read_text()
    assert len(rows) == 1 and "2 to recalibrate on" in text
    for tau in ("0.5", "1"):
        assert f"missing, 1 images of --val, tau {tau}, gamma 9: " in text
