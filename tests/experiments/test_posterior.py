"""The experiment on the uncertainty of VBLE."""

import pytest

pytestmark = pytest.mark.slow


def test_posterior(experiment):
    rows = experiment("posterior", "--tasks=missing", prior="vae")
    assert [row["method"] for row in rows] == ["VBLE", "VBLE-xz", "start"]
    for row in rows[:2]:
        levels = [float(row[f"covered_{level}"]) for level in ("0.1", "0.5", "0.95")]
        assert 0 <= levels[0] <= levels[1] <= levels[2] <= 1
        assert float(row["psnr"]) > 5 and float(row["deviation"]) > 0
