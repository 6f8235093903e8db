"""The experiment on the uncertainty of VBLE."""

import pytest

pytestmark = pytest.mark.slow


HVAE = "--hvae={}/grey_patch.safetensors"


def test_posterior(experiment):
    rows = experiment("posterior", "--tasks=missing", HVAE, prior="vae")
    methods = ["start", "VBLE", "VBLE-xz", "PnP-HVAE", "total variation"]
    assert [row["method"] for row in rows] == methods
    assert all(float(row["psnr"]) > 5 for row in rows)
    for row in rows[1:3]:
        levels = [float(row[f"covered_{level}"]) for level in ("0.1", "0.5", "0.95")]
        assert 0 <= levels[0] <= levels[1] <= levels[2] <= 1
        assert float(row["deviation"]) > 0
