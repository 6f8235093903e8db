"""Devices without room: batches are halved, images refused by themselves."""

import json
import warnings
import weakref
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrestore
from jaxrestore import InputError
from jaxrestore.cli import chosen as module
from jaxrestore.cli import outputs, room, side_by_side
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.room import tried
from jaxrestore.cli.side_by_side import SideBySide
from jaxrestore.cli.solve import command_line
from jaxrestore.cli.task import Task
from jaxrestore.data.images import LoadedImage

SETTINGS = {"noise_std": 0.1, "stopping.max_steps": 2, "check": False}
GIVEN = "--config=denoise", "--noise_std=0.1", "--nocheck", "--no_figures"


def refuse(*_):
    """As a device does that is asked for more than it has."""
    return jnp.zeros((1 << 45,)).block_until_ready()


@pytest.fixture
def sizes(monkeypatch):
    """Sizes of batches that were tried; the device holds two images."""
    tried, solve = [], module.restore_many

    def restore_many(asked, size, devices):
        tried.append(size)
        return solve(asked, size, devices) if size <= 2 else refuse()

    monkeypatch.setattr(module, "restore_many", restore_many)
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    return tried


def failing(text):
    def fail(*_, **__):
        raise jax.errors.JaxRuntimeError(text)

    return fail


def test_what_is_refused_is_told_from_what_fails():
    assert tried(lambda: 1, lambda: 2) == 1
    assert tried(refuse, lambda: 2) == 2
    for text in (
        "RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 20G of 16G",
        "INTERNAL: Failed to load the module: CUDA error: out of memory",
    ):
        assert tried(failing(text), lambda: 2) == 2
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        tried(failing("INTERNAL: the convolution is not supported"), lambda: 2)
    with pytest.raises(RuntimeError, match="out of memory"):
        tried(lambda: (_ for _ in ()).throw(RuntimeError("out of memory")), lambda: 2)


def test_what_was_refused_is_free_again_before_the_next_is_tried():
    seen = []

    def call():
        held = np.zeros(3)
        seen.append(weakref.ref(held))
        refuse()

    tried(call, lambda: seen.append(seen[0]()))
    assert seen[1] is None


def test_a_batch_that_is_refused_is_halved(run, photo, tmp_path, sizes):
    """Once for a program; results are those of a run with the small batch."""
    for i in range(6):
        photo(f"in/{i}.png", (16, 20, 3), i)
    given = *GIVEN, f"--input={tmp_path / 'in'}"
    code, _, err = run(*given, "--batch=4")
    assert code == 0 and sizes == [4, 2, 2, 2]
    assert err.count("4 images of 20x16 pixels at once are more than there") == 1
    assert "2 at once from here on" in err
    small = tmp_path / "small"
    assert run(*given, "--batch=2", output=small)[0] == 0 and sizes[4:] == [2] * 3
    for i in range(6):
        found = [f / str(i) / "restored.png" for f in (tmp_path / "out", small)]
        assert found[0].read_bytes() == found[1].read_bytes()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [record["batch"] for record in summary["images"]] == [2] * 6


@pytest.mark.slow
def test_arrays_that_are_refused_together(toy, sizes):
    """A warning says so; what is left over goes on alone, other sizes as they were."""
    rng = np.random.default_rng(0)
    images = [rng.random((12, 16 + 4 * (i > 4), 3), np.float32) for i in range(7)]
    settings = {**SETTINGS, "prior": str(toy)}
    alone = jaxrestore.Restorer("denoise", settings)(images)
    restorer = jaxrestore.Restorer("denoise", settings | {"batch": 8})
    with pytest.warns(UserWarning, match=": [42] at once from here on"):
        found = restorer(images)
    assert sizes == [8, 4, 2, 2, 2]
    for a, b in zip(alone, found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    with warnings.catch_warnings(action="error"):
        restorer(images)
    assert sizes[5:] == [2, 2, 2]


def test_devices_that_refuse_one_image_each_have_one_alone(toy, sizes, monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:4])
    if jax.device_count() < 4:
        pytest.skip("needs four devices")
    images = [np.full((12, 16, 3), 0.5, np.float32)] * 4
    settings = {**SETTINGS, "prior": str(toy), "batch": 4}
    with pytest.warns(UserWarning, match=": 1 at once from here on"):
        assert len(jaxrestore.Restorer("denoise", settings)(images)) == 4
    assert sizes == [4]


def test_other_errors_are_not_taken_for_it(toy, sizes, monkeypatch):
    text = "INTERNAL: the convolution is not supported"
    for name in ("restore_many", "restore"):
        monkeypatch.setattr(module, name, failing(text))
    restorer = jaxrestore.Restorer("denoise", {**SETTINGS, "prior": str(toy)})
    several = jaxrestore.Restorer(
        "denoise", {**SETTINGS, "prior": str(toy), "batch": 2}
    )
    for one in (restorer, several):
        with pytest.raises(jax.errors.JaxRuntimeError, match="not supported"):
            one([np.full((12, 16, 3), 0.5, np.float32)] * 2)


REFUSALS = {
    "posing": (Task, "problem"),
    "compiling": (Chosen, "method"),
    "running": (module, "restore"),
    "scoring": (outputs, "scores"),
}


@pytest.mark.parametrize("when", REFUSALS)
def test_an_image_that_is_refused_fails_alone(run, photo, tmp_path, monkeypatch, when):
    for i, size in enumerate([(16, 20), (24, 28), (16, 20)]):
        photo(f"in/{i}.png", (*size, 3), i)
    place, name = REFUSALS[when]
    call = getattr(place, name)

    def scarce(*given, **more):
        shapes = [
            getattr(x, "image_shape", np.shape(getattr(x, "pixels", 0))) for x in given
        ]
        large = any(shape[:1] == (24,) for shape in shapes)
        return refuse() if large else call(*given, **more)

    monkeypatch.setattr(place, name, scarce)
    code, _, err = run(*GIVEN, f"--input={tmp_path / 'in'}")
    assert code == 1
    assert "error: 1: --input: 28x24 pixels with pnp_hvae are more than the" in err
    assert "reduce the image or cut it into parts" in err and "Traceback" not in err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [record["name"] for record in summary["images"]] == ["0", "2"]
    code, _, err = run(*GIVEN, f"--input={tmp_path / 'in' / '1.png'}")
    assert code == 2 and err.count("error: --input: 28x24 pixels") == 1


def posed(*arguments, side=16):
    given = ["", "--config=denoise", "--noise_std=0.1", *arguments]
    line: Any = command_line("").parse(given)
    config = line.config
    chosen, pixels = Chosen(config), np.full((side, side, 3), 0.5, np.float32)
    one = Task(config, False, chosen.prior).problem("a", LoadedImage(pixels))
    return config, chosen, one


def test_a_program_that_the_compiler_refuses_is_halved(toy, monkeypatch):
    """Before any image is loaded for it."""
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    monkeypatch.setattr(side_by_side, "is_processor", lambda device: False)
    monkeypatch.setattr(
        side_by_side, "memory_of_many", lambda a, n, d: 0 if n <= 2 else refuse()
    )
    config, chosen, one = posed(f"--prior={toy}")
    assert SideBySide(chosen, config, "").room(one, 8) == 2
    monkeypatch.setattr(Chosen, "memory", refuse)
    assert SideBySide(chosen, config, "").room(one, 8) == 1


def test_what_takes_less_is_named_where_it_holds(weights, monkeypatch):
    config, chosen, one = posed(f"--prior={weights}", side=1024)
    assert chosen.savings(one) == ["--tile=512"]  # processors share one memory
    monkeypatch.setattr(room, "is_processor", lambda device: False)
    several = ["--mesh=rows"] if jax.device_count() > 1 else []
    bfloat16 = ["--compute_dtype=bfloat16"]
    assert chosen.savings(one) == ["--tile=512", *several, *bfloat16]
    also = SideBySide(chosen, config, "--input", lambda problem: ["--stream=true"])
    with pytest.raises(InputError, match="1024x1024 .* or --stream=true, or reduce"):
        also.refuse(one)
    given = f"--prior={weights}", "--tile=512", "--compute_dtype=bfloat16"
    assert posed(*given, side=1024)[1].savings(one) == []
    _, tv, one = posed("--solver.name=tv")
    assert tv.savings(one) == several


@pytest.mark.parametrize("lines, kept", [(5, 1), (6, 0)])
def test_programs_are_let_go_before_mappings_run_out(tmp_path, lines, kept):
    limit, taken = tmp_path / "limit", tmp_path / "taken"
    limit.write_text("10\n")
    taken.write_text("mapping\n" * lines)
    double = jax.jit(lambda x: 2 * x)
    double(1.0)
    room.forget_programs(limit, tmp_path / "none")
    room.forget_programs(tmp_path / "none", taken)
    assert double._cache_size() == 1
    room.forget_programs(limit, taken)
    assert double._cache_size() == kept


@pytest.mark.parametrize("batch", [1, 2])
def test_mappings_are_watched_by_every_solve(toy, monkeypatch, batch):
    watched = []
    monkeypatch.setattr(side_by_side, "forget_programs", lambda: watched.append(1))
    settings = {**SETTINGS, "prior": str(toy), "batch": batch}
    jaxrestore.Restorer("denoise", settings)([np.full((12, 16, 3), 0.5, "f")] * 2)
    assert len(watched) == 2 // batch
