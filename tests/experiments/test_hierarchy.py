"""Volume terms and iterated reconstructions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.experiments import diverse
from jaxrestore.experiments.iterated import picked
from jaxrestore.metrics import LPIPS
from jaxrestore.operators import Downsample
from tests.solvers.problems import gaussian

pytestmark = pytest.mark.slow


def test_volume(experiment):
    rows = experiment("volume", "--draws=4")
    assert [row["group"] for row in rows] == ["0"] * 4 + ["1"] * 4
    shift, distance, change, size = (
        np.array([float(row[name]) for row in rows])
        for name in ("shift", "distance", "change", "elements")
    )
    # ||t e||^2 with e standard normal: t^2 times the number of elements, on average.
    np.testing.assert_allclose(np.mean(distance / (shift**2 * size)), 1, atol=0.25)
    assert np.all(np.abs(change) > 0)  # random networks: volumes do depend
    later = [float(row["later"]) for row in rows]
    np.testing.assert_allclose(later[4:], change[4:], rtol=1e-4, atol=1e-3)
    assert all(float(row["change_omitted"]) != 0 for row in rows)
    one = experiment("volume", "--draws=4", "--temperature=1")
    assert all(float(row["later_omitted"]) == 0 for row in one)
    still = experiment("volume", "--draws=4", "--reach=0")
    for name in ("distance", "change", "change_omitted"):
        np.testing.assert_allclose([float(row[name]) for row in still], 0, atol=1e-4)


def test_bound(experiment):
    start, end = experiment("bound")
    assert (start["at"], end["at"]) == ("start", "end")
    for row in (start, end):
        data, bound = float(row["data"]), float(row["bound"])
        assert data == pytest.approx(1, abs=1e-3)  # pixels are missing
        assert 0 < float(row["reconstruction"]) == pytest.approx(bound, rel=1e-3)
        assert float(row["gap"]) > 0


def test_iterated(experiment, tmp_path):
    rows = experiment("iterated")
    assert [row["step"] for row in rows] == list("1234") * 2
    changes = np.array([float(row["change"]) for row in rows]).reshape(2, 4)
    ratios = np.array([float(row["contraction"]) for row in rows]).reshape(2, 4)
    np.testing.assert_allclose(ratios[:, 1] < 1, changes[:, 1] < changes[:, 0])
    assert (tmp_path / "out" / "iterated_change.png").exists()


def test_picked_steps_go_from_the_first_to_the_last():
    assert picked(100)[0] == 0 and picked(100)[-1] == 100 and len(picked(100)) == 7
    assert picked(2) == [0, 1, 2]


def test_diverse(experiment, monkeypatch):
    monkeypatch.setattr(diverse, "brisque", lambda image: 0.0)  # needs 16x16
    rows = experiment("diverse", "--encoders={0}/x2.safetensors", prior="small")
    methods = ["bicubic", "sample, 0.1", "mean of 2, 0.1", "sample, 0.8"]
    assert [row["method"] for row in rows] == [*methods, "mean of 2, 0.8"]
    for row in rows[1:]:
        assert float(row["lr_psnr_worst"]) > 100 > float(row["lr_psnr_unprojected"])
    apd = {row["method"]: float(row["apd"]) for row in rows}
    assert apd["sample, 0.8"] > apd["sample, 0.1"] > 0 == apd["bicubic"]


def test_diversity_by_lpips():
    """APD-LPIPS is the mean over pairs, in thousandths."""
    lpips, rng = LPIPS.create("squeeze", jax.random.key(0)), np.random.default_rng(0)
    clean, *samples = rng.uniform(size=(4, 32, 32, 3)).astype(np.float32)
    operator = Downsample.bicubic(2)
    seen = [gaussian(operator(jnp.asarray(clean)), operator, 0.0)]
    found, distances = np.stack(samples)[None], {"apd_lpips": (1e3, lpips)}
    score = lambda image, clean: {"psnr": 0.0}  # noqa: E731
    (row,) = diverse._score(
        (found, found, 0.1), {"a": clean}, seen, 3, score, distances
    )
    pairs = [lpips(samples[i], samples[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert row["apd_lpips"] == pytest.approx(1e3 * np.mean(pairs), rel=1e-4)


def test_consistency(experiment):
    rows = experiment("consistency", "--encoders={0}/x2.safetensors", prior="small")
    counts = {
        (row["quantity"], row["factor"]): sum(
            r["quantity"] == row["quantity"] and r["factor"] == row["factor"]
            for r in rows
        )
        for row in rows
    }
    assert counts == {("U", "1"): 7, ("U", "2"): 7, ("CE", "2"): 6, ("B.5", "2"): 7}
    assert all(float(row["value"]) >= 0 for row in rows)
