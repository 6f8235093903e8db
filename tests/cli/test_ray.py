"""Ray Data as the engine: its worker alone, and two processes, one of them killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.items import items
from jaxrestore.cli.on_ray import RayWorker, _groups, _most, _text
from jaxrestore.cli.solve import command_line, main
from jaxrestore.cli.worker import Worker
from jaxrestore.data.images import read_image
from jaxrestore.errors import InputError
from jaxrestore.settings import as_dict, checks
from jaxrestore.solvers import PnPHVAE

ROOT = Path(__file__).parents[2]
GIVEN = "--config=denoise", "--noise_std=0.1", "--nocheck", "--no_figures"


@pytest.fixture
def folder(photo, tmp_path):
    for i in range(3):
        photo(f"in/{i}.png", (16, 16 + 4 * i, 3), i)
    return tmp_path / "in"


def settings(toy, *more):
    """The config of a command line, and its values as they travel."""
    given = *GIVEN, f"--prior={toy}", "--config.stopping.max_steps=2", *more
    line: Any = command_line("").parse(["", *given])
    config = line.config
    values = {k: v for k, v in as_dict(config).items() if k in checks(type(config))}
    return config, json.loads(json.dumps(values))


def entries_of(worker, *tasks):
    column = np.array([_text(task) for task in tasks])
    return [json.loads(text) for text in worker({"task": column})["entry"]]


def test_its_worker_does_what_the_command_does(run, toy, folder, tmp_path):
    """From settings that went through JSON; what cannot be read is an entry, too."""
    assert run(*GIVEN, f"--input={folder}")[0] == 0
    (config, values), output = settings(toy), tmp_path / "worker"
    program = Worker(config, output, False).program
    more = values, str(output), False, False, []
    worker = RayWorker(os.getcwd(), program, *more)
    with pytest.raises(InputError, match="other weights or versions"):
        RayWorker(os.getcwd(), program | {"versions": {}}, *more)
    (folder / "1.png").write_text("no picture")
    first, *others = items(str(folder))
    entries = entries_of(worker, [first], others)
    assert [entry["name"] for entry in entries] == ["0", "1", "2"]
    assert "1.png: cannot be read as an image" in entries[1]["error"]
    for name in ("0", "2"):
        seen = [tmp_path / out / name / "restored.png" for out in ("out", "worker")]
        assert seen[0].read_bytes() == seen[1].read_bytes()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    known = {record["name"]: record for record in summary["images"]}
    assert known["0"].keys() - entries[0].keys() == {"finished"}
    for entry in entries:  # in the record's company, for the command to say
        lines = [note for name, note, _ in entry["told"] if name == entry["name"]]
        headline = any("restoring" in note for note in lines)
        assert headline == ("error" not in entry) and len(lines) == len(entry["told"])
    assert entries[0]["input_sha256"] == known["0"]["input_sha256"]
    assert entries[0]["process"] == os.getpid()


def test_images_of_a_task_are_solved_at_once(toy, photo, tmp_path, monkeypatch):
    """Those that share a program; each has the lines that are its own."""
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    for i in range(7):
        photo(f"in/{i}.png", (16, 20 if i in (1, 4) else 16, 3), i)
    config, values = settings(toy, "--batch=2")
    local, images = Worker(config, tmp_path, False), items(str(tmp_path / "in"))

    def groups(most, size):
        found = _groups(local, images, most, size)
        return ["".join(item.name for item in group) for group in found]

    assert groups(2, 2) == ["02", "35", "6", "14"]
    assert groups(16, 2) == ["0235", "6", "14"]  # each process has some
    assert groups(1, 2) == list("0123456")
    place = os.getcwd(), local.program, values, str(tmp_path / "out")
    entries = entries_of(RayWorker(*place, False, False, []), images[2:4], images[5:6])
    assert [entry.get("batch") for entry in entries] == [2, 2, None]
    for entry in entries:
        assert {name for name, _, _ in entry["told"]} == {entry["name"]}
        assert sum("restoring" in note for _, note, _ in entry["told"]) == 1


def test_a_task_is_small_unless_it_is_asked_for():
    def most(batch, gpus):
        config: Any = SimpleNamespace(batch=batch, mesh="none")
        return _most(PnPHVAE, config, gpus)

    assert (most("auto", False), most("auto", True)) == (1, 16)
    assert (most(1, True), most(64, True), most(4, False)) == (1, 64, 4)


def test_without_ray_one_line_says_what_to_install(run, folder, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray.data", None)
    code, _, err = run(*GIVEN, f"--input={folder}", "--engine=ray")
    assert code == 2 and "pip install 'jaxrestore[ray]'" in err
    code, _, err = run(*GIVEN, f"--input={folder}", "--workers=2")
    assert code == 2 and "--workers=2: has no use without --engine=ray" in err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cluster(monkeypatch):
    """A local cluster of two CPUs, of the test alone; a busy machine starts it late."""
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")
    ray = pytest.importorskip("ray", reason="Ray is not installed: the extra [ray]")
    pytest.importorskip("ray.data", reason="ray.data: the extra [ray]")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    context = ray.init(address="local", num_cpus=2, log_to_driver=False)
    monkeypatch.setenv("RAY_ADDRESS", context.address_info["address"])
    yield
    ray.shutdown()


def lines(journal):
    """The records of a journal, an image as often as it was recorded."""
    text = journal.read_text() if journal.exists() else ""
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [entry for line in whole if "name" in (entry := json.loads(line))]


@pytest.mark.slow
def test_a_killed_process_loses_nothing_and_nothing_is_done_twice(
    cluster, weights, photo, tmp_path, capsys
):
    for i in range(10):
        photo(f"in/{i}.png", (64, 64, 3), i)
    given = *GIVEN, f"--prior={weights}"
    given += "--stopping.tolerance=0", "--stopping.max_steps=300"
    folder = f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'ray'}"
    on_ray = "--engine=ray", "--workers=2", "--shard=0/1", "--batch=2"
    command = [sys.executable, str(ROOT / "solve.py"), *given, *folder, *on_ray]
    journal = tmp_path / "ray" / "records-0-of-1.jsonl"
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        while len(lines(journal)) < 3 and process.poll() is None:
            time.sleep(0.05)
        killed = lines(journal)[-1]["process"]
        os.kill(killed, signal.SIGKILL)
        before = len(lines(journal))
        _, errors = process.communicate(timeout=400)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    for i in range(10):  # what the processes say
        assert f"{i}: restoring 64x64 colour with pnp_hvae" in errors
    found = lines(journal)
    assert before < len(found)  # it was killed in the middle
    assert Counter(entry["name"] for entry in found) == {str(i): 1 for i in range(10)}
    assert [entry["batch"] for entry in found] == [2] * 10
    processes = {entry["process"] for entry in found}
    assert killed in processes and len(processes) >= 2 and os.getpid() not in processes
    # Another engine finds all of it done, and makes the same of an image.
    assert run_command(main, ["", *given, *folder]) == 0
    assert "10 of 10 done before" in capsys.readouterr().err
    one = f"--input={tmp_path / 'in' / '3.png'}", f"--output={tmp_path / 'one'}"
    assert run_command(main, ["", *given, *one]) == 0
    here, there = (
        read_image(tmp_path / out / "3" / "restored.png").pixels
        for out in ("one", "ray")
    )
    np.testing.assert_allclose(here, there, atol=1.01 / 255)
