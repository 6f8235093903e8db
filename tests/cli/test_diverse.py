"""solve.py with a low-resolution encoder: samples, their scores, and mistakes."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from jaxrestore.cli.batch import FILES
from jaxrestore.cli.solve import main
from jaxrestore.priors import VDVAE, LowResEncoder, load_prior, save_prior
from tests.priors.random_weights import random_prior
from tests.priors.test_lowres import SMALL, make_encoder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of a prior, of another one, and of an encoder for the first."""
    folder = tmp_path_factory.mktemp("weights")
    prior = random_prior(VDVAE, SMALL)
    save_prior(prior, folder / "prior.safetensors", {})
    save_prior(random_prior(VDVAE, SMALL, seed=5), folder / "other.safetensors", {})
    save_prior(make_encoder(prior), folder / "x2.safetensors", {})
    rng = np.random.default_rng(0)
    for name, side in (("large", 8), ("small", 4), ("odd", 5)):
        pixels = rng.integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def enlarge(files, tmp_path, capsys):
    """enlarge(*arguments) -> (exit code, stdout, stderr)."""

    def enlarge(*arguments, prior="prior"):
        code = main(
            [
                "solve.py",
                "--config=configs/solve/diverse_sr_x2.py",
                f"--prior={files}/{prior}.safetensors",
                f"--config.encoder={files}/x2.safetensors",
                "--config.solver.n_samples=3",
                f"--output={tmp_path}/out",
                *(argument.format(files) for argument in arguments),
            ]
        )
        return code, *capsys.readouterr()

    return enlarge


NAMES = ("samples.png", "deviation.png", *(f"sample_0{i}.png" for i in range(3)))


def test_samples_and_scores(enlarge, tmp_path):
    code, out, _ = enlarge("--simulate", "--input={0}/large.png")
    assert code == 0 and "LR-PSNR" in out and "APD" in out
    folder = tmp_path / "out"
    for name in FILES + NAMES:
        assert (folder / "large" / name).is_file(), name
    sample = np.asarray(Image.open(folder / "large" / "sample_00.png"))
    assert sample.shape == (8, 8)
    summary = json.loads((folder / "summary.json").read_text())
    record = summary["images"][0]
    assert record["lr_psnr"] > 100 and record["apd_mse"] > 0 and record["psnr"] > 0
    assert record["temperature"] == pytest.approx(0.8)
    assert {"lr_psnr", "apd_mse"} <= set(summary["mean"])
    assert len(summary["encoder"]["sha256"]) == 64
    _, _, again = enlarge("--simulate", "--input={0}/large.png")
    assert "1 of 1 done before" in again
    _, _, other = enlarge("--simulate", "--input={0}/large.png", "--seed=4")
    assert "done before" not in other


def test_a_small_image_of_ones_own(enlarge, tmp_path):
    code, _, error = enlarge("--input={0}/small.png", "--config.solver.n_samples=1")
    assert code == 0 and "enlarging 4x4 grey, 1 samples" in error
    record = json.loads((tmp_path / "out" / "summary.json").read_text())["images"][0]
    assert record["apd_mse"] is None and record["psnr"] is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--input={0}/odd.png"], "y: shape (5, 5, 1), expected 4x4x1"),
        (["--simulate", "--input={0}/odd.png"], "--factor=2: does not divide"),
        (["--config.solver.n_samples=0"], "config.solver.n_samples=0"),
        (["--factor=1"], "enlarges 2 times"),
        (["--config.encoder={0}/prior.safetensors"], "is a VDVAE, expected a low-reso"),
        (["--config.encoder=none-such"], "none-such"),
        (["--config.solver.temperature=auto"], "temperature=auto"),
        (
            ["--config.kernel.kind=gaussian", "--config.kernel.size=5"],
            "is not the blur that",
        ),
        (
            ["--input={0}/small.png", "--config.boundary=unknown"],
            "config.boundary=unknown: expected periodic",
        ),
        (["--config.solver.weight=0.1"], "has no use with"),
        (["--prior={0}/x2.safetensors"], "is a low-resolution encoder"),
        (["--config.task=blur"], "config.kernel.kind=bicubic: has no use"),
    ],
)
def test_mistakes(enlarge, tmp_path, arguments, message):
    given = [a for a in arguments if a.startswith("--input")]
    where = given or ["--simulate", "--input={0}/large.png"]
    code, _, error = enlarge(*where, *(a for a in arguments if a not in given))
    assert code == 2 and message in error and error.count("error: ") == 1
    assert "Traceback" not in error
    assert not list((tmp_path / "out").glob("*/*.png"))


def test_an_encoder_of_another_prior(enlarge):
    code, _, error = enlarge("--simulate", "--input={0}/large.png", prior="other")
    assert code == 2 and "SHA-256" in error and error.count("\n") == 1


def test_every_image_has_random_numbers_of_its_own(enlarge, files, tmp_path):
    folder = tmp_path / "twins"
    folder.mkdir()
    for name in "ab":
        shutil.copy(files / "small.png", folder / f"{name}.png")
    assert enlarge(f"--input={folder}")[0] == 0
    one, other = (tmp_path / "out" / name / "sample_00.png" for name in "ab")
    assert one.read_bytes() != other.read_bytes()


def test_nan_is_not_a_result(enlarge, files, tmp_path):
    encoder = load_prior(files / "x2.safetensors")
    spoilt = jax.tree.map(lambda leaf: leaf * np.nan, encoder.params)
    path = tmp_path / "nan.safetensors"
    save_prior(LowResEncoder(spoilt, encoder.config), path, {})
    code, _, error = enlarge("--input={0}/small.png", f"--config.encoder={path}")
    assert code == 2 and "diverged" in error
