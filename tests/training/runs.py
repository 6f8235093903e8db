"""Runs of the training loop, and what they left behind."""

import csv

import jax
import numpy as np

from jaxrestore.training.loop import Trainer


def run(config, workdir, devices=1, spoil=None):
    """Train to the end and return the trainer; `spoil(trainer)` may wrap the data."""
    trainer = Trainer(config, workdir, jax.devices()[:devices])
    if spoil is not None:
        spoil(trainer)
    try:
        trainer.run()
    finally:
        trainer.close()
    return trainer


def read_rows(workdir):
    with (workdir / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def losses(workdir):
    return np.array([float(row["loss"]) for row in read_rows(workdir) if row["loss"]])


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(a), jax.device_get(b))
