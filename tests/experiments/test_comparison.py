"""Tables of methods on the same observations."""

import json

import jax
import numpy as np
import pytest

from jaxrestore.experiments.comparison import Problem, missing
from jaxrestore.experiments.deblurring import blurred
from jaxrestore.experiments.faces import square
from jaxrestore.experiments.inpainting import holes

pytestmark = pytest.mark.slow

VAL = "--val={}/images"


def test_deblurring(experiment, tmp_path):
    rows = experiment("deblurring", VAL)
    methods = [row["method"] for row in rows]
    assert methods == [
        "start",
        "total variation",
        "PnP-HVAE (mean)",
        "PnP-HVAE (image)",
    ]
    scores = {row["method"]: float(row["psnr"]) for row in rows}
    assert 15 < scores["start"] < scores["total variation"] + 1
    settings = tmp_path / "out" / "deblurring_settings.json"
    written = json.loads(settings.read_text())["7.65"]
    assert np.round(written["tv"]["weight"] * 7.65 / 255 * 100) in (10, 20)
    text = (tmp_path / "out" / "deblurring.md").read_text()
    assert "| total variation |" in text and '"tv": {"weight"' in text


def test_settings_of_an_earlier_run_need_no_tuning(experiment, tmp_path, capsys):
    pnp = {"temperature": 0.7, "decoder_std": 0.04}
    table = {"7.65": {"pnp_hvae": pnp, "tv": {"weight": 3.0}}}
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table))
    experiment("deblurring", VAL, f"--settings={path}", prior="patch")
    assert "val," not in capsys.readouterr().out


def test_denoising(experiment, tmp_path):
    rows = experiment("denoising", VAL, prior="none")
    methods = ["start", "total variation", "alr-natural"]
    assert [row["method"] for row in rows] == methods
    text = (tmp_path / "out" / "denoising.md").read_text()
    assert "alr-natural, SHA-256" in text and "of 1 |" in text


def test_one_key_for_each_image_kernel_and_level():
    images = {name: np.zeros((8, 8, 1), np.float32) for name in "ab"}
    kernels = dict.fromkeys(("one", "two"), np.ones((1, 1), np.float32))
    keys = jax.random.split(jax.random.key(0), 2)
    draws = [
        np.asarray(observation.y).tobytes()
        for key in keys
        for seen in blurred(kernels, 0.1, images, key).values()
        for observation in seen
    ]
    assert len(set(draws)) == 8


def test_inpainting(experiment):
    rows = experiment("inpainting", VAL)
    assert {row["task"] for row in rows} == {"missing"}
    assert all(float(row["psnr"]) > 5 for row in rows)


def test_faces(experiment):
    rows = experiment("faces", VAL, prior="vdvae")
    assert [row["task"] for row in rows] == ["x4"] * 4


def test_masks_and_operators():
    rng = np.random.default_rng(0)
    assert 0.1 <= 1 - holes((64, 80), 0.1, rng).mean() < 0.13
    assert abs(missing((64, 80), 0.6, rng).mean() - 0.4) < 0.03
    seen = square((9, 9, 1))(np.ones((9, 9, 1), np.float32))
    assert float(seen.sum()) == 81 - 9
    assert Problem("x", "mask", 0.01, lambda images, key: {}).tuned == "image"
