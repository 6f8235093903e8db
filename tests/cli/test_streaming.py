"""--stream: from disk to disk, as the run that has the image whole."""

import json
import re

import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxrestore import priors
from jaxrestore.cli import streamed, streaming
from jaxrestore.data.images import read_image
from jaxrestore.data.stored import copy
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


@pytest.mark.parametrize("how", [{}, {"compression": "zlib", "rowsperstrip": 7}])
def test_files_and_scores(denoise, copies, tmp_path, how):
    told = copies()
    source = _photo(tmp_path / "a.tif", **how)
    given = "--simulate", "--noise_std=0.05", *TILED
    code, messages, folder = denoise(source, *given)
    assert code == 0 and told == [(0.05, 88)], messages
    assert "124x90 pixels to restore from disk in tiles of 88" in messages
    names = {"restored.tif", "overview.png", "comparison.png"}
    assert {file.name for file in (folder / "a").iterdir()} == names
    record = _record(folder)
    assert (
        record["streamed"] and record["tile"] == 88 and record["shape"] == [90, 124, 3]
    )
    restored = read_image(folder / "a/restored.tif")
    assert restored.bit_depth == (16 if how else 8)
    clean = read_image(source).pixels
    error = np.mean((restored.pixels - clean) ** 2)
    np.testing.assert_allclose(record["psnr"], -10 * np.log10(error), atol=0.02)
    np.testing.assert_allclose(record["psnr_observed"], record["psnr"], atol=0.02)
    assert abs(record["psnr_observed"] + 20 * np.log10(0.05)) < 0.5
    # Done, unless a file is missing.
    assert denoise(source, *given)[0] == 0 and len(told) == 1
    (folder / "a/overview.png").unlink()
    assert denoise(source, *given)[0] == 0 and len(told) == 2


def test_noise_is_estimated_from_a_sample(denoise, copies, tmp_path):
    told = copies()
    source = _photo(tmp_path / "a.tif", (1100, 1100), noise=0.05)
    code, messages, folder = denoise(source, *TILED, "--no_figures")
    assert code == 0 and "noise level estimated" in messages
    assert told[0][0] == pytest.approx(0.05, rel=0.15)
    assert _record(folder)["files"] == ["restored.tif", "overview.png"]
    np.testing.assert_array_equal(
        tifffile.imread(folder / "a/restored.tif"), tifffile.imread(source)
    )


def test_what_does_not_explain_the_photograph(denoise, copies, tmp_path):
    told = copies(lambda window: 0.8 * window)
    source = _photo(tmp_path / "a.tif")
    given = "--noise_std=0.02", *TILED
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
    assert not list((folder / "a").iterdir())


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
            source, "--noise_std=0.02", "--tile=88", "--overwrite"
        )
        assert code == 0 and taken["it"] is expected, messages
    assert len(told) == 2


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--config=inpaint",), "--stream=true: the task mask needs the whole image"),
        (("--solver.name=tv",), "--stream=true: works with pnp_hvae"),
        (("--solver.temperature=auto",), "does not go with acceleration, nor"),
        (("--acceleration.depth=3",), "does not go with acceleration, nor"),
        (("--solver.tv_start=1",), "config.solver.tv_start=1.0 needs the whole image"),
        (("--simulate", "--simulated_jpeg=50"), "does not go with simulated_jpeg"),
        (("--stream=perhaps",), "config.stream=perhaps: .*auto"),
        (("--max_minutes=1e-9",), "minutes"),
        (("--noise_std=auto",), "b.jpg is a JPEG file, all of which counts"),
    ],
)
def test_what_cannot_be_streamed(denoise, copies, tmp_path, monkeypatch, flags, named):
    copies()
    monkeypatch.setattr(
        streaming, "check_limits", _refusing if "--max_minutes=1e-9" in flags else _fine
    )
    name = "a.tif"
    if "JPEG file" in named:
        name = "b.jpg"
        Image.new("RGB", (40, 30)).save(tmp_path / name)
    else:
        _photo(tmp_path / name)
    given = "--noise_std=0.02", "--stream=true", "--mask.missing=0.1", *flags
    code, messages, folder = denoise(tmp_path / name, *given)
    assert code == 2 and not folder.exists(), messages
    assert re.search(named, messages) and "Traceback" not in messages, messages


def _fine(*_):
    pass


def _refusing(*_):
    from jaxrestore.errors import InputError

    raise InputError("takes many minutes")


@pytest.mark.slow
def test_as_the_run_that_has_the_image_whole(denoise, tmp_path):
    """Grey and colour; with a schedule and flips, which also ends by the tolerance."""
    how = "--noise_std=0.1", "--nocheck", "--tile=88", "--solver.schedule=2:3"
    how += "--solver.decoder_std=0.1", "--solver.encoder_noise=0.1"
    for shape in ((90, 124, 3), (101, 90)):
        source = _photo(tmp_path / "a.tif", shape, compression="zlib")
        results = []
        for stream in ("true", "false"):
            given = *how, "--solver.flips=both", f"--stream={stream}", "--overwrite"
            code, messages, folder = denoise(source, *given, output=stream)
            assert code == 0, messages
            (file,) = (folder / "a").glob("restored.*")
            results.append((read_image(file).pixels, _record(folder)))
        (own, record), (whole, expected) = results
        np.testing.assert_allclose(own, whole, atol=1.01 / 65535)
        for name in ("steps", "status", "evaluations", "tolerance", "tile", "settings"):
            assert record[name] == expected[name], name
        np.testing.assert_allclose(record["residual"], expected["residual"], rtol=1e-3)
