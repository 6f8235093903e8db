"""Compression, restoration, and coefficients that stay in their cells."""

import pytest

pytestmark = pytest.mark.slow


def test_jpeg(experiment):
    rows = experiment("jpeg")
    assert [row["method"] for row in rows] == ["JPEG", "prior", "prior, in the cells"]
    inside = [float(row["inside"]) for row in rows]
    assert inside[2] == 1 > inside[1]  # of a network with random weights
    assert float(rows[2]["psnr"]) > float(rows[1]["psnr"])
