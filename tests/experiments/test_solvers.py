"""Experiments that compare runs of the solvers."""

import numpy as np
import pytest

from jaxrestore.experiments.auto_settings import summarise
from jaxrestore.solvers.presets import STEPS
from jaxrestore.solvers.selection import TEMPERATURES

pytestmark = pytest.mark.slow


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


def test_convergence_at_equal_passes(experiment):
    flags = "--safe_steps=3", "--descent_steps=2"
    rows = experiment("convergence", *flags)
    passes = {name: [] for name in ("JPMAP", "PnP-HVAE", "Adam, 0.01")}
    for row in rows:
        used = int(row["evaluations"]) + int(row["gradients"])
        passes[row["method"].partition(" (")[0]].append(used)
    assert max(map(max, passes.values())) <= max(passes["JPMAP"]) + 1
    assert min(passes["PnP-HVAE"]) >= max(passes["JPMAP"])
    safe = [float(r["largest_increase"]) for r in rows if r["method"] == "JPMAP (mean)"]
    assert len(safe) == 2 and max(safe) == 0


def test_temperature(experiment):
    rows = experiment("temperature", "--noise=7.65", "--batch=2")
    assert [row["temperature"] for row in rows] == ["0.5", "0.5", "0.9", "0.9"]
    assert all(float(row["psnr"]) > 5 for row in rows)


@pytest.mark.parametrize(
    "chosen, candidates", [("temperature", TEMPERATURES), ("schedule", STEPS)]
)
def test_auto_settings(experiment, chosen, candidates):
    rows = experiment("auto_settings", f"--chosen={chosen}")
    assert [float(row[chosen]) for row in rows] == list(candidates)
    assert all(np.isfinite(float(row["sure"])) for row in rows)


def test_summary_of_choices():
    psnr = [[20.0, 22.0], [24.0, 21.0]]  # two problems, two temperatures
    sure = [[2.0, 1.0], [1.0, 2.0]]  # right both times
    far = [[1.0, 2.0], [2.0, 1.0]]  # wrong both times
    rows = [
        {
            "noise": "7",
            "temperature": t,
            "psnr": p,
            "sure": s,
            "doubted": s,
            "discrepancy": d,
        }
        for of in zip(psnr, sure, far, strict=True)
        for t, p, s, d in zip((0.5, 0.9), *of, strict=True)
    ]
    found, taus, worst = summarise(rows, "temperature")
    assert worst == {"sure": 0.0, "doubted": 0.0, "discrepancy": -3.0}
    assert found["0.5"] == 22.0 and found["best fixed"] == 22.0
    assert found["best each"] == found["sure"] == 23.0
    assert found["discrepancy"] == 20.5 and taus["discrepancy"] == pytest.approx(0.7)


def test_jpmap(experiment):
    rows = experiment("jpmap", prior="vae")
    methods = ["start", "CSGM", "JPMAP"]
    assert [row["method"] for row in rows[::2]] == methods * 3
    assert all(
        np.isfinite(float(row["psnr"])) and float(row["psnr"]) > 2 for row in rows
    )
    for row in rows:
        if row["method"] == "JPMAP":
            assert float(row["largest_increase"]) < 1e-4


def test_blind_kernel(experiment):
    rows = experiment("blind_kernel", prior="none")
    assert {row["kernel"] for row in rows} == {"gaussian", "gaussian 1.2", "none"}
    for row in rows:
        assert float(row["error"]) >= 0 and 0 <= float(row["confidence"]) <= 1
        assert float(row["ratio"]) > 0 and float(row["told"]) > 5
