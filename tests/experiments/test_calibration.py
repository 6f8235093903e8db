"""The experiment on Gibbs draws."""

import pytest

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
