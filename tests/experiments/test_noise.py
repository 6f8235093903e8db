"""Estimated noise levels, as a command."""

import pytest

pytestmark = pytest.mark.slow


def test_noise(experiment, tmp_path):
    rows = experiment("noise", "--others=10", "--blurs=0,1.2", prior="none")
    white = [row for row in rows if row["case"] == "white"]
    assert [row["blur"] for row in white] == ["none", "1.2"]
    sharp, blurred = (abs(float(row["error"])) for row in white)
    assert blurred < sharp and blurred < 2.5
    true = {row["case"]: float(row["true"]) for row in rows}
    assert true["smooth"] == pytest.approx(true["grey"] / 2, rel=0.01)
    text = (tmp_path / "out" / "noise.md").read_text()
    assert "blur 1.2" in text and "texture smooth" in text and "| JPEG 75 |" in text
