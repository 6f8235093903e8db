"""--stream: from disk to disk, as the run that has the image whole."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxrestore import priors
from jaxrestore.cli import streamed, streaming
from jaxrestore.cli.levels import levels
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.data.images import read_image
from jaxrestore.data.stored import copy, sampled
from jaxrestore.errors import InputError
from jaxrestore.settings import bind
from jaxrestore.solvers import Restoration, Status

load_prior = priors.load_prior  # that of the command line's tests gives a toy
TILED = "--stream=true", "--tile=88"


@pytest.fixture
def denoise(run, weights, tmp_path, monkeypatch):
    """denoise(input, *flags) -> (exit code, messages, folder of the run)."""
    monkeypatch.setattr(priors, "load_prior", load_prior)

    def denoise(source, *flags, output="out"):
        given = "--config=denoise", f"--input={source}", *flags
        folder = tmp_path / output
        code, _, messages = run(*given, prior=weights, output=folder)
        return code, messages, folder

    return denoise


@pytest.fixture
def copies(monkeypatch):
    """The solver hands out y, or what a function makes of it; counts its runs."""
    told = []

    def install(change=lambda window: window, status=Status.CONVERGED):
        class Changed:
            def __init__(self, y):
                self.shape, self._y = y.shape, y

            def __getitem__(self, window):
                return change(self._y[window])

        def solve(method, y, noise_std, images, mean, **rules):
            told.append((noise_std, method.prior.tile))
            copy(Changed(y), mean)
            images[1][0:1, 0:1] = 0
            zero = jnp.int32(0)
            code = jnp.int32(status)
            own = zero + 2, jnp.float32(0), code, None, zero + 3, zero
            return Restoration(Changed(y), mean, (), *own)  # type: ignore[arg-type]

        monkeypatch.setattr(streamed, "restore_streamed", solve)
        return told

    return install


def _photo(path, shape=(90, 124, 3), noise=0.0, **how):
    rng = np.random.default_rng(0)
    pixels = 0.5 + 0.02 * np.cumsum(rng.standard_normal(shape), 1)
    pixels = np.clip(pixels + noise * rng.standard_normal(shape), 0, 1)
    deep = "compression" in how
    values = np.rint(pixels * (65535 if deep else 255))
    tifffile.imwrite(path, values.astype(np.uint16 if deep else np.uint8), **how)
    return path


def _record(folder):
    return json.loads((folder / "summary.json").read_text())["images"][0]


def test_files_and_scores(denoise, copies, tmp_path):
    told = copies()
    source = _photo(tmp_path / "a.tif", compression="zlib", rowsperstrip=7)
    given = "--simulate", "--noise_std=0.05", *TILED
    code, messages, folder = denoise(source, *given)
    assert code == 0 and told == [(0.05, 88)], messages
    assert "124x90 pixels to restore from disk in tiles of 88" in messages
    names = {"restored.tif", "overview.png", "comparison.png"}
    assert {file.name for file in (folder / "a").iterdir()} == names
    record = _record(folder)
    assert record["streamed"] and record["tile"] == 88
    assert record["shape"] == [90, 124, 3]
    restored = read_image(folder / "a/restored.tif")
    assert restored.bit_depth == 16
    clean = read_image(source).pixels
    error = np.mean((restored.pixels - clean) ** 2)
    np.testing.assert_allclose(record["psnr"], -10 * np.log10(error), atol=0.02)
    np.testing.assert_allclose(record["psnr_observed"], record["psnr"], atol=0.02)
    assert abs(record["psnr_observed"] + 20 * np.log10(0.05)) < 0.5
    # Done, unless a file is missing.
    assert denoise(source, *given)[0] == 0 and len(told) == 1
    (folder / "a/overview.png").unlink()
    assert denoise(source, *given, "--no_figures")[0] == 0 and len(told) == 2
    assert not (folder / "a/comparison.png").exists()
    assert denoise(source, *given, "--no_figures")[0] == 0 and len(told) == 2
    assert denoise(source, *given)[0] == 0 and len(told) == 3
    assert (folder / "a/comparison.png").exists()


def test_noise_is_estimated_from_a_sample(denoise, copies, tmp_path):
    told = copies()
    source = _photo(tmp_path / "a.tif", (300, 280), noise=0.05)
    code, messages, folder = denoise(source, *TILED, "--no_figures")
    assert code == 0 and "noise level estimated" in messages
    assert told[0][0] == pytest.approx(0.05, rel=0.15)
    names = {file.name for file in (folder / "a").iterdir()}
    assert names == {"restored.tif", "overview.png"}
    np.testing.assert_array_equal(
        tifffile.imread(folder / "a/restored.tif"), tifffile.imread(source)
    )


def test_a_whole_image_is_told_the_same_noise():
    y = 0.5 + 0.02 * np.random.default_rng(0).standard_normal((1100, 1300, 1))
    config = bind(SolveConfig, {"noise_std": "auto"}, "config")
    whole, part = (levels(config, False, a, None, None) for a in (y, sampled(y)))
    assert whole == part


def test_what_does_not_explain_the_photograph(denoise, copies, tmp_path):
    told = copies(lambda window: 0.8 * window)
    source = _photo(tmp_path / "a.tif")
    given = "--noise_std=0.02", "--no_figures", *TILED
    code, messages, folder = denoise(source, *given)
    assert code == 0 and len(told) == 3 and "mismatch" in messages
    assert _record(folder)["status"] == "mismatch"
    pixels = {
        name: read_image(folder / f"a/{name}.tif").pixels
        for name in ("restored", "rejected")
    }
    np.testing.assert_array_equal(pixels["restored"], read_image(source).pixels)
    np.testing.assert_allclose(
        pixels["rejected"], 0.8 * pixels["restored"], atol=0.51 / 255
    )
    # Told to hand it out it does, and removes what was there.
    assert denoise(source, *given, "--nocheck")[0] == 0
    assert not (folder / "a/rejected.tif").exists()


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, None])
def test_nothing_is_left_of_a_run_that_ends_early(
    denoise, copies, tmp_path, monkeypatch, stopped
):
    source, folder = _photo(tmp_path / "a.tif"), tmp_path / "out"
    given = "--noise_std=0.02", "--nocheck", *TILED
    if stopped:
        monkeypatch.setattr(streamed, "copy", None)

        def interrupted(*_, **__):
            assert (folder / "a/.windows/restored.tif").exists()
            raise stopped

        monkeypatch.setattr(streamed, "restore_streamed", interrupted)
    else:
        copies(status=Status.DIVERGED)
    code, messages, _ = denoise(source, *given)
    assert code == (130 if stopped else 2), messages
    assert stopped or "--input: pnp_hvae diverged after 2 steps" in messages
    assert not (folder / "a").exists()


def test_chosen_where_memory_is_short(denoise, copies, tmp_path, monkeypatch):
    told = copies()
    source = _photo(tmp_path / "a.tif")
    monkeypatch.setattr(streaming, "LARGE", 10_000)
    monkeypatch.setattr(streaming, "free_memory", lambda: 1e9)
    taken = {}

    class Memory:
        available = 2 * 220 * 90 * 124 - 1000

    monkeypatch.setattr(streaming.psutil, "virtual_memory", lambda: Memory)
    own = streaming.Streaming

    class Asked(own):
        def takes(self, item):
            taken["it"] = own.takes(self, item)
            return True

    monkeypatch.setattr("jaxrestore.cli.worker.Streaming", Asked)
    for more, expected in ((0, True), (2000, False)):
        Memory.available += more
        code, messages, folder = denoise(
            source, "--noise_std=0.02", "--tile=88", "--overwrite", "--no_figures"
        )
        assert code == 0 and taken["it"] is expected, messages
    assert len(told) == 2


def test_too_much_is_refused_before_anything_is_written(denoise, tmp_path, monkeypatch):
    def refuse(*_):
        raise InputError("takes many minutes")

    monkeypatch.setattr(streaming, "check_limits", refuse)
    source = _photo(tmp_path / "a.tif")
    code, messages, folder = denoise(source, "--noise_std=0.02", *TILED)
    assert code == 2 and "takes many minutes" in messages and not folder.exists()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--config=inpaint", "--simulate"), "the task mask needs the whole image"),
        (("--solver.name=tv",), "works with pnp_hvae"),
        (("--solver.temperature=auto",), "does not go with acceleration, nor"),
        (("--acceleration.depth=3",), "does not go with acceleration, nor"),
        (("--solver.tv_start=1",), "config.solver.tv_start=1.0 needs the whole image"),
        (("--simulate", "--simulated_jpeg=50"), "does not go with simulated_jpeg"),
        ((), "b.jpg is a JPEG file, all of which counts"),
        (("--stream=perhaps",), "config.stream=perhaps: .*auto"),
    ],
)
def test_what_cannot_be_streamed(denoise, tmp_path, flags, named):
    Image.new("RGB", (40, 30)).save(source := tmp_path / "b.jpg")
    given = "--noise_std=0.02", "--stream=true", *flags
    code, messages, folder = denoise(source, *given)
    assert code == 2 and not folder.exists(), messages
    assert re.search(f"^error: .*{named}", messages), messages
    assert messages.count("\n") == 1 and "stream=" in messages


@pytest.mark.slow
def test_as_the_run_that_has_the_image_whole(denoise, tmp_path):
    """Grey and colour; with a schedule and views, which also ends by the tolerance."""
    how = "--noise_std=0.1", "--nocheck", "--tile=88", "--solver.schedule=2:3"
    how += "--solver.decoder_std=0.1", "--solver.encoder_noise=0.1", "--no_figures"
    for shape in ((90, 124, 3), (101, 90)):
        source = _photo(tmp_path / "a.tif", shape, compression="zlib")
        results = []
        for stream in ("true", "false"):
            given = *how, "--solver.views=shifts", f"--stream={stream}", "--overwrite"
            code, messages, folder = denoise(source, *given, output=stream)
            assert code == 0, messages
            (file,) = (folder / "a").glob("restored.*")
            results.append((read_image(file).pixels, _record(folder)))
        (own, record), (whole, expected) = results
        np.testing.assert_allclose(own, whole, atol=1.01 / 65535)
        for name in ("steps", "status", "evaluations", "tolerance", "tile", "settings"):
            assert record[name] == expected[name], name
        np.testing.assert_allclose(record["residual"], expected["residual"], rtol=1e-3)


_MEASURED = r"""
import re, sys
from jaxrestore.cli.entry import run_command
from jaxrestore.cli.solve import main
code = run_command(main, sys.argv)
# Not ru_maxrss, which begins at what the parent held.
status = open("/proc/self/status").read()
print("peak", int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024)
sys.exit(code)
"""


def _command(source, weights, output, *flags):
    given = f"--prior={weights}", f"--output={output}", "--stopping.max_steps=1"
    given += "--noise_std=0.05", "--stream=true", "--simulate", "--no_figures"
    return [
        *(sys.executable, "-c", _MEASURED, "--config=denoise", f"--input={source}"),
        *(*given, "--max_minutes=0", *flags),
    ]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells")
def test_memory_does_not_grow_with_the_image(weights, tmp_path):
    """From 1.2 to 9.7 megapixels: one float copy more is 97 MiB."""
    # glibc keeps a heap for each thread, which grow for a while whatever the image.
    environment, peaks = {**os.environ, "MALLOC_ARENA_MAX": "1"}, []
    for height in (1100, 8800):
        source = _photo(tmp_path / f"{height}.tif", (height, 1100, 3))
        command = _command(source, weights, tmp_path / "out", "--tile=360", "--nocheck")
        how = {"capture_output": True, "text": True, "check": True}
        done = subprocess.run(command, env=environment, **how)
        peaks.append(float(done.stdout.split("peak")[1]))
    assert peaks[1] - peaks[0] < 66, peaks


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_that_looks_finished(weights, tmp_path):
    source, folder = _photo(tmp_path / "a.tif", (700, 700, 3)), tmp_path / "out/a"
    long = _command(source, weights, tmp_path / "out", "--tile=88", "--nocheck")
    run = subprocess.Popen(long, stderr=subprocess.DEVNULL)
    begun = folder / ".windows/odd"  # x^1
    while not begun.exists():
        assert run.poll() is None
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert [file.name for file in folder.iterdir()] == [".windows"]
    short = _command(source, weights, tmp_path / "out", "--tile=360", "--nocheck")
    subprocess.run(short, check=True, capture_output=True)
    names = {file.name for file in folder.iterdir()}
    assert names == {"restored.tif", "overview.png"}
