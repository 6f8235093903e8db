"""What solve.py writes, skips and reports."""

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.items import sample_image
from jaxrestore.cli.solve import main
from jaxrestore.data.images import read_image
from jaxrestore.data.jpeg import read_jpeg
from jaxrestore.likelihoods import jpeg_observation
from jaxrestore.likelihoods.jpeg_steps import share_inside
from jaxrestore.solvers import SOLVERS
from tests.cli.conftest import ToyPrior

ROOT = Path(__file__).parents[2]
FILES = {"observed.png", "restored.png", "comparison.png", "convergence.png"}


def _summary(folder):
    return json.loads((folder / "summary.json").read_text())


def _size(path):
    return Image.open(path).size


def test_simulated_image_is_scored(run, photo, tmp_path):
    code, out, err = run("--simulate", "--nocheck", f"--input={photo()}")
    assert code == 0, err
    assert {f.name for f in (tmp_path / "out" / "photo").iterdir()} == FILES
    assert _size(tmp_path / "out/photo/restored.png") == (40, 32)
    summary = _summary(tmp_path / "out")
    (record,) = summary["images"]
    assert record["name"] == "photo" and record["steps"] == 2
    assert record["status"] == "max_steps" and record["seconds"] > 0
    for key in ("psnr_observed", "psnr", "ssim"):
        assert np.isfinite(record[key]) and summary["mean"][key] == record[key]
    assert np.isfinite(record["residual"])
    assert len(summary["prior"]["sha256"]) == 64
    assert summary["config"]["stopping"]["max_steps"] == 2
    assert record["solver"] == "pnp_hvae" and record["settings"]["decoder_std"] > 0
    assert record["evaluations"] == record["passes"] == 3
    assert "jax" in summary["versions"] and summary["device"]
    assert f"{record['psnr']:.2f}" in out and "restored.png" in out


@pytest.mark.parametrize(
    ("config", "observed"),
    [
        ("gaussian_deblur", (40, 32)),
        ("sr_x2", (20, 16)),
        ("sr_x4", (10, 8)),
        ("inpaint", (40, 32)),
        ("denoise", (40, 32)),
    ],
)
def test_every_config_simulates(run, photo, tmp_path, config, observed):
    code, _, err = run(f"--config={config}", "--simulate", f"--input={photo()}")
    assert code == 0, err
    folder = tmp_path / "out" / "photo"
    assert _size(folder / "observed.png") == observed
    assert _size(folder / "restored.png") == (40, 32)


@pytest.mark.parametrize(
    ("config", "size"),
    [("gaussian_deblur", (41, 33)), ("sr_x2", (82, 66)), ("denoise", (41, 33))],
)
def test_observation_of_any_size_with_estimated_noise(
    run, photo, tmp_path, config, size
):
    source = photo(shape=(33, 41, 3))
    code, out, err = run(f"--config={config}", f"--input={source}")
    assert code == 0, err
    assert "estimated" in err and "PSNR" not in out
    folder = tmp_path / "out" / "photo"
    assert _size(folder / "restored.png") == size
    np.testing.assert_array_equal(
        Image.open(folder / "observed.png"), Image.open(source)
    )
    (record,) = _summary(tmp_path / "out")["images"]
    assert record["psnr"] is None and record["noise_std"] > 0


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ("gaussian_deblur", 36),
        pytest.param("sr_x2_decimated", 36, marks=pytest.mark.slow),
    ],
)
def test_simulation_without_wrapping(run, photo, tmp_path, config, size):
    """Border pixels that the blur would have wrapped around are not shown."""
    source = photo(shape=(40, 40, 3))
    arguments = ("--simulate", "--config.boundary=unknown", f"--config={config}")
    code, _, err = run(*arguments, f"--input={source}")
    assert code == 0, err
    assert _size(tmp_path / "out/photo/restored.png") == (size, size)
    (record,) = _summary(tmp_path / "out")["images"]
    assert record["psnr"] > 15


def test_inpainting_with_a_mask_file(run, photo, tmp_path):
    seen = np.ones((32, 40), np.uint8)
    seen[10:14, 5:30] = 0
    Image.fromarray(seen * 255).save(tmp_path / "mask.png")
    np.save(tmp_path / "mask.npy", seen)
    results = []
    for name in ("mask.png", "mask.npy"):
        code, _, err = run(
            "--config=inpaint", f"--input={photo()}", f"--mask={tmp_path / name}"
        )
        assert code == 0, err
        results.append((tmp_path / "out/photo/restored.png").read_bytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("deep", [False, True])
def test_grey_comes_back_grey(run, photo, tmp_path, deep):
    source = photo(shape=(32, 40))
    if deep:
        pixels = np.asarray(Image.open(source)).astype(np.uint16) * 257
        source = tmp_path / "deep.png"
        Image.fromarray(pixels).save(source)
    code, _, err = run("--config=denoise", f"--input={source}")
    assert code == 0, err
    restored = Image.open(tmp_path / "out" / source.stem / "restored.png")
    assert restored.mode == ("I;16" if deep else "L")


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_other_image_modes(run, photo, tmp_path, mode):
    source = tmp_path / ("photo.tif" if mode == "CMYK" else "other.png")
    Image.open(photo()).convert(mode).save(source)
    code, _, err = run("--config=denoise", f"--input={source}")
    assert code == 0, err


def test_image_smaller_than_the_stride(run, photo):
    source = photo(shape=(3, 3, 3))
    code, _, err = run("--config=denoise", f"--input={source}", "--noise_std=0.1")
    assert code == 0, err


def test_folder_is_resumed_and_compiled_once(run, photo, tmp_path):
    for seed in range(3):
        photo(f"in/{seed}.png", (30, 40, 3), seed)
    (tmp_path / "in" / "broken.png").write_text("no picture")
    arguments = ("--config=denoise", "--simulate", f"--input={tmp_path / 'in'}")
    code, out, err = run(*arguments)
    assert code == 1
    assert err.count("error:") == 1 and "broken.png" in err
    assert "mean" in out
    summary = _summary(tmp_path / "out")
    first, *others = (record["compile_seconds"] for record in summary["images"])
    assert first > 0 and others == [0, 0]
    assert [record["name"] for record in summary["images"]] == ["0", "1", "2"]
    assert summary["failed"][0]["name"] == "broken"
    assert not (tmp_path / "out" / "broken").exists()

    (tmp_path / "in" / "broken.png").unlink()
    code, out, err = run(*arguments)
    assert code == 0 and "3 of 3" in err and "mean" in out

    (tmp_path / "out" / "1" / "restored.png").unlink()
    photo("in/2.png", (30, 40, 3), 7)
    before = (tmp_path / "out" / "0" / "restored.png").stat().st_mtime_ns
    code, _, err = run(*arguments)
    assert code == 0 and "1 of 3" in err
    assert (tmp_path / "out" / "0" / "restored.png").stat().st_mtime_ns == before

    code, _, err = run(*arguments, "--seed=1")
    assert code == 0 and "skipped" not in err
    code, _, err = run(*arguments, "--seed=1", "--overwrite")
    assert code == 0 and "skipped" not in err


def test_same_seed_same_files(run, photo, tmp_path):
    source = photo()
    for name in ("a", "b", "c"):
        seed = 1 if name == "c" else 0
        arguments = ("--simulate", f"--input={source}", f"--seed={seed}")
        code, _, err = run(*arguments, output=tmp_path / name)
        assert code == 0, err
    a, b, c = ((tmp_path / n / "photo/observed.png").read_bytes() for n in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    "overrides",
    [
        ("solver.temperature=0.8:0.6", "solver.decoder_std=predicted"),
        ("solver.temperature=0.9,0.8,0.7", "solver.cg_steps=1"),
        ("solver.temperature=auto", "stopping.max_steps=1"),
        ("solver.encoder_noise=none", "stopping.patience=3", "output_image=image"),
    ],
)
def test_overrides(run, photo, overrides):
    arguments = [f"--config.{override}" for override in overrides]
    code, _, err = run("--simulate", f"--input={photo()}", *arguments)
    assert code == 0, err


def test_a_clean_image_is_cut_to_multiples_of_the_factor(run, photo, tmp_path):
    given = "--config=sr_x4_decimated", "--simulate"
    code, _, err = run(*given, f"--input={photo(shape=(35, 41, 3))}")
    assert code == 0 and "cut to 32x40, multiples of --factor=4" in err
    assert _size(tmp_path / "out/photo/observed.png") == (10, 8)
    assert _size(tmp_path / "out/photo/restored.png") == (40, 32)


def test_any_method_by_name(run, photo, tmp_path):
    """On top of a config for another; what it had set for that one is forgotten."""
    arguments = "--config=face_sr_x4", "--simulate", f"--input={photo()}"
    code, _, err = run(*arguments, "--config.solver.name=tv", "--solver.weight=3")
    assert code == 0 and "40x32" not in err and "10x8 colour with tv" in err
    summary = _summary(tmp_path / "out")
    assert summary["prior"] is None and summary["images"][0]["passes"] == 0
    assert summary["images"][0]["settings"] == {"weight": 3.0, "coupled": True}
    assert summary["config"]["stopping"]["patience"] is None


def test_what_was_not_tuned_is_said_once(run, photo, tmp_path):
    for seed in range(2):
        photo(f"in/{seed}.png", seed=seed)
    code, _, err = run("--config=denoise", "--simulate", f"--input={tmp_path / 'in'}")
    assert code == 0 and err.count("no settings were tuned for") == 1
    for record in _summary(tmp_path / "out")["images"]:
        assert record["settings"]["decoder_std"] < 0.2 and record["notes"]


def test_a_prior_of_one_size_takes_its_observations_for_periodic(
    run, photo, tmp_path, monkeypatch
):
    only = types.SimpleNamespace(image_channels=3, image_size=32)
    monkeypatch.setattr(ToyPrior, "config", only)
    picture = photo(shape=(32, 32, 3))
    code, _, err = run("--config=gaussian_deblur", f"--input={picture}")
    assert code == 0 and err.count("the boundary is taken for periodic") == 1
    assert _size(tmp_path / "out/photo/restored.png") == (32, 32)


@pytest.mark.parametrize("kind", ["negative", "colour", "off its middle"])
def test_odd_kernels_are_told(run, photo, tmp_path, kind):
    kernel, path = np.zeros((7, 7)), tmp_path / "kernel.npy"
    kernel[2:5, 2:5] = 1
    if kind == "negative":
        kernel[0, 0] = -0.5
    if kind == "off its middle":
        kernel = np.roll(kernel, 2, 1)
    if kind == "colour":
        path = tmp_path / "kernel.png"
        Image.fromarray(np.uint8(kernel * 200)).convert("RGB").save(path)
    else:
        np.save(path, kernel)
    code, _, err = run("--simulate", f"--input={photo()}", f"--kernel={path}")
    assert code == 0 and err.count(f"--kernel={path}: ") == 1 and kind in err


def test_help_lists_flags_methods_and_settings(run):
    text = run("--help")[1]
    for flag in ("--config ", "--noise_std", "--simulate", "--config.solver.cg_steps"):
        assert flag in text
    assert all(f"  {name} " in text for name in SOLVERS)
    assert len(text.splitlines()) < 100
    text = run("--config.solver.name=tv", "--help")[1]
    assert "--config.solver.coupled" in text and "solver.cg_steps" not in text


def test_sample_is_a_photograph():
    sample = sample_image()
    assert sample.pixels.shape == (256, 256, 3)


def test_as_a_program(weights, photo, tmp_path):
    """With a network, from another folder, the default config and output."""
    command = [
        sys.executable,
        str(ROOT / "solve.py"),
        "--simulate",
        f"--input={photo()}",
        f"--prior={weights}",
        "--config.stopping.max_steps=1",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "PSNR" in done.stdout
    assert (tmp_path / "restored" / "photo" / "restored.png").is_file()


@pytest.mark.parametrize(
    "simulate", [pytest.param(True, marks=pytest.mark.slow), False]
)
def test_enlarging_by_any_factor(run, photo, tmp_path, simulate):
    arguments = [
        "--config=sr_x2",
        "--factor=1.5",
        f"--input={photo(shape=(33, 40, 3))}",
    ]
    code, _, err = run(*arguments, *(["--simulate"] if simulate else []))
    assert code == 0, err
    size = (40, 33) if simulate else (60, 50)  # 33 rows as 22 and back, or as 49.5
    assert _size(tmp_path / "out/photo/restored.png") == size


def test_jpeg_comes_back_in_its_cells(run, photo, tmp_path):
    blocky = tmp_path / "blocky.jpg"
    Image.open(photo(shape=(48, 64, 3))).save(blocky, quality=20)
    code, _, err = run("--config=jpeg", f"--input={blocky}", "--nocheck")
    assert code == 0 and "JPEG compression" in err
    restored = read_image(tmp_path / "out/blocky/restored.png").pixels
    assert np.abs(restored - read_image(blocky).pixels).max() > 0.01
    file = read_jpeg(blocky)
    assert file is not None
    # The picture is rounded to 8 bits, which takes some coefficients over an edge.
    seen = jpeg_observation(file)
    assert share_inside(seen, restored) > 0.95


def test_a_jpeg_that_was_converted_is_not_one(run, photo):
    code, _, err = run("--config=jpeg", f"--input={photo()}", "--nocheck")
    assert code == 0 and "not a JPEG file" in err


def test_the_blur_of_a_photograph_is_not_made_up(photo, tmp_path, capsys):
    source = photo()
    for arguments in (["--config=motion_deblur"], [], ["--config=gaussian_deblur"]):
        command = ["solve.py", *arguments, f"--input={source}"]
        assert run_command(main, [*command, f"--output={tmp_path / 'o'}"]) == 2
        assert "--kernel: missing" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_mismatch_gives_the_photograph_back(run, photo, tmp_path):
    source = photo(shape=(64, 64, 3))  # full of detail: not blurred by any Gaussian
    code, out, err = run(f"--input={source}", "--kernel.std=1", "--noise_std=1/255")
    assert code == 0 and "mismatch: where the kernel lets nothing through" in err
    folder = tmp_path / "out/photo"
    same = [
        np.asarray(Image.open(folder / f"{n}.png")) for n in ("observed", "restored")
    ]
    np.testing.assert_array_equal(*same)
    assert (folder / "rejected.png").is_file() and "mismatch" in out
