"""solve.py with a low-resolution encoder: samples, their scores, and mistakes."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from jaxrestore import priors
from jaxrestore.cli.entry import run_command
from jaxrestore.cli.outputs import FILES
from jaxrestore.cli.solve import main
from jaxrestore.priors import VDVAE, LowResEncoder, save_prior
from tests.priors.random_weights import random_prior
from tests.priors.test_lowres import SMALL, make_encoder

pytestmark = pytest.mark.slow


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
        line = [
            "solve.py",
            "--config=configs/solve/diverse_sr_x2.py",
            f"--prior={files}/{prior}.safetensors",
            f"--config.encoder={files}/x2.safetensors",
            "--config.sampling.n_samples=3",
            f"--output={tmp_path}/out",
            *(argument.format(files) for argument in arguments),
        ]
        code = run_command(main, line)
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
    assert record["settings"]["temperature"] == pytest.approx(0.8)
    assert {"lr_psnr", "apd_mse"} <= set(summary["mean"])
    assert len(summary["encoder"]["sha256"]) == 64
    _, _, again = enlarge("--simulate", "--input={0}/large.png")
    assert "1 of 1 done before" in again
    _, _, other = enlarge("--simulate", "--input={0}/large.png", "--seed=4")
    assert "done before" not in other


def test_a_small_image_of_ones_own(enlarge, tmp_path):
    code, _, error = enlarge("--input={0}/small.png", "--config.sampling.n_samples=1")
    assert code == 0 and "drawing from 4x4 grey with diverse_sr, 1 samples" in error
    record = json.loads((tmp_path / "out" / "summary.json").read_text())["images"][0]
    assert record["apd_mse"] is None and record["psnr"] is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--input={0}/odd.png"], "images of 10x10 pixels to this y, expected the"),
        (
            ["--simulate", "--input={0}/odd.png"],
            "--kernel: 8x8 is larger than the image's 4x4",
        ),
        (["--config.sampling.n_samples=0"], "config.sampling.n_samples=0"),
        (["--factor=1"], "enlarges 2 times what a bicubic"),
        (["--config.encoder={0}/prior.safetensors"], "is a VDVAE, expected a low-reso"),
        (["--config.encoder=none-such"], "none-such"),
        (["--config.solver.temperature=auto"], "temperature=auto"),
        (
            ["--config.kernel.kind=gaussian", "--config.kernel.size=5"],
            "take --config=diverse_sr_x2",
        ),
        (
            ["--input={0}/small.png", "--config.boundary=unknown"],
            "with a periodic boundary made small",
        ),
        (["--config.solver.weight=0.1"], "unknown setting"),
        (["--config.stopping.max_steps=1"], "unknown flag"),
        (["--config.encoder=", "--solver.name=diverse_sr"], "config.encoder: missing"),
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


def test_nan_is_not_a_result(enlarge, monkeypatch, tmp_path):
    load = priors.load_encoder

    def spoilt(*arguments):
        encoder = load(*arguments)
        params = jax.tree.map(lambda leaf: leaf * np.nan, encoder.params)
        return LowResEncoder(params, encoder.config)

    monkeypatch.setattr(priors, "load_encoder", spoilt)
    code, _, error = enlarge("--input={0}/small.png")
    assert code == 0 and "mismatch: the solver diverged" in error
    folder = tmp_path / "out"
    record = json.loads((folder / "summary.json").read_text())["images"][0]
    assert record["status"] == "mismatch"
    restored = np.asarray(Image.open(folder / "small" / "restored.png"))
    assert restored.shape == (8, 8) and restored.std() > 0
    code, _, error = enlarge("--input={0}/small.png", "--config.check=False")
    assert code == 2 and "diverged" in error
