"""train.py as users and clusters run it: kills, signals, several processes."""

import csv
import functools
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrestore.training.loop import Trainer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(image_folder, compiled_programs):
    """Start train.py with the toy config; leftovers are killed at the end."""
    started = []

    def start_one(workdir, *arguments, **variables):
        command = [
            *(sys.executable, "train.py", "--config=tests/training/toy_config.py"),
            *(f"--workdir={workdir}", f"--config.data.train={image_folder}"),
            *arguments,
        ]
        environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "",
            "JAX_COMPILATION_CACHE_DIR": compiled_programs,
            **variables,
        }
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process, code=0):
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out, err


def last_step(workdir):
    """The newest step in metrics.csv, -1 before the first."""
    try:
        with (workdir / "metrics.csv").open(newline="") as file:
            steps = [row["step"] for row in csv.DictReader(file)]
    except FileNotFoundError:
        return -1
    return int(steps[-1]) if steps and steps[-1].isdigit() else -1


def wait_for_step(process, workdir, step):
    for _ in range(6000):
        if last_step(workdir) >= step or process.poll() is not None:
            return
        time.sleep(0.01)
    raise TimeoutError(f"step {step} not reached")


def final_state(make_config, workdir, **overrides):
    """The state in the newest checkpoint of a run, read in this process."""
    trainer = Trainer(make_config(**overrides), workdir, jax.devices()[:1])
    trainer.close()
    return jax.device_get(trainer.state)


def test_killed_three_times_ends_the_same(make_config, start, tmp_path):
    draw = random.Random(time.time_ns())
    seed = draw.randrange(10**6)
    print("kills drawn with", seed)
    draw.seed(seed)
    flags = ("--config.log_every=1", "--config.checkpoint_every=4")
    flags += ("--config.total_steps=60",)
    whole = start(tmp_path / "whole", *flags)
    for third in range(3):
        process = start(tmp_path / "killed", *flags)
        step = draw.randrange(20 * third + 2, 20 * third + 18)
        wait_for_step(process, tmp_path / "killed", step)
        time.sleep(draw.uniform(0, 0.05))  # also in the middle of a checkpoint
        assert process.poll() is None, "ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
    finish(start(tmp_path / "killed", *flags))
    finish(whole)
    states = [
        final_state(make_config, tmp_path / name, total_steps=60)
        for name in ("whole", "killed")
    ]
    assert int(states[0].step) == 60
    jax.tree.map(np.testing.assert_array_equal, *states)
    with (tmp_path / "killed" / "metrics.csv").open(newline="") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == list(range(1, 61))


def named(port, count, i):
    """What tells process i of all the others: flags, and no variables."""
    flags = f"--coordinator=localhost:{port}", f"--num_processes={count}"
    return (*flags, f"--process_id={i}"), {}


def slurm(port, count, i):
    """The same on a node of Slurm, whose tasks have it from variables."""
    found = {"JOB_ID": 1, "NTASKS": count, "PROCID": i, "LOCALID": i}
    variables = {f"SLURM_{name}": str(value) for name, value in found.items()}
    variables |= {"SLURM_STEP_NODELIST": "localhost", "JAX_COORDINATOR_PORT": str(port)}
    return ("--distributed",), variables


@pytest.mark.parametrize(("told", "count"), [(named, 2), (slurm, 4)])
def test_several_processes_train_the_same_model(
    make_config, image_folder, start, tmp_path, told, count
):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    flags = ("--config.log_every=1", "--config.checkpoint_every=20")
    flags += ("--config.eval_every=20", f"--config.data.val={image_folder}")
    started = []
    for i in range(count):
        more, variables = told(port, count, i)
        started.append(start(tmp_path / "several", *flags, *more, **variables))
    for process in started:
        finish(process)
    overrides = {"data.val": str(image_folder), "log_every": 1, "eval_every": 20}
    alone = Trainer(make_config(**overrides), tmp_path / "one", jax.devices()[:1])
    alone.run()
    alone.close()
    names = "one", "several"
    one, several = (final_state(make_config, tmp_path / name) for name in names)
    assert int(several.step) == 20
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    jax.tree.map(close, several.params, one.params)
    jax.tree.map(close, several.ema, one.ema)
    rows = []
    for name in names:
        with (tmp_path / name / "metrics.csv").open(newline="") as file:
            rows.append([r["loss"] or r["val_loss"] for r in csv.DictReader(file)])
    np.testing.assert_allclose(*(np.array(r, float) for r in rows), rtol=1e-4)


def test_terminate_checkpoints_and_the_same_command_resumes(start, tmp_path):
    flags = ("--config.total_steps=100000", "--config.checkpoint_every=100000")
    process = start(tmp_path, *flags)
    wait_for_step(process, tmp_path, 5)
    process.terminate()
    out, _ = finish(process)
    assert "stopped by SIGTERM" in out
    stopped_at = int(next((tmp_path / "checkpoints").iterdir()).name)
    process = start(tmp_path, *flags)
    wait_for_step(process, tmp_path, stopped_at + 5)
    process.send_signal(signal.SIGINT)
    out, _ = finish(process)
    assert "stopped by SIGINT" in out
