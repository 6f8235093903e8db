"""Experiments that compare runs of the solvers."""

import numpy as np


def test_convergence(experiment):
    rows = experiment("convergence")
    assert {row["method"] for row in rows} == {
        f"{method} ({kind})"
        for method in ("PnP-HVAE", "Adam, 0.01")
        for kind in ("mean", "image")
    }
    for row in rows:
        passes = int(row["evaluations"]), int(row["gradients"]), int(row["steps"])
        assert passes == ((4, 0, 3) if "PnP" in row["method"] else (6, 5, 4))
        assert np.isfinite(
            [float(row[k]) for k in ("objective", "psnr", "seconds")]
        ).all()


def test_temperature(experiment):
    rows = experiment("temperature", "--noise=7.65", "--batch=2")
    assert [row["temperature"] for row in rows] == ["0.5", "0.5", "0.9", "0.9"]
    assert all(float(row["psnr"]) > 5 for row in rows)
