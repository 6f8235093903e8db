"""Factorisations of a flow's matrices, and the pool of threads that they run on.

LAPACK's batched kernels of jaxlib wait for tasks of the pool that they occupy: with
them, eight steps a block stood still on two cores.
"""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jaxrestore.priors import Glow, GlowConfig

ROOT = Path(__file__).parents[2]
CONFIG = GlowConfig(image_size=8, image_channels=1, steps=(3, 3), widths=(4, 4))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="about LAPACK")
@pytest.mark.parametrize(
    "mixing", ["plu", pytest.param("plain", marks=pytest.mark.slow)]
)
def test_batches_do_not_reach_lapack(mixing):
    config = replace(CONFIG, mixing=mixing)
    key = jax.eval_shape(lambda: jax.random.key(0))
    params = jax.eval_shape(lambda k: Glow.init_params(config, k), key)
    images = jax.ShapeDtypeStruct((2, 8, 8, 1), jnp.float32)

    def log_prob(params, images):
        return Glow(params, config).encodings(images).log_prob.sum()

    def around(params, images):
        prior = Glow(params, config)
        return jax.vmap(lambda x: prior.decode(prior.encode(x)))(images).sum()

    programs = [
        jax.jit(lambda k: Glow.init_params(config, k)).lower(key),
        *(jax.jit(jax.grad(f)).lower(params, images) for f in (log_prob, around)),
    ]
    text = "".join(program.as_text() for program in programs)
    batches = re.findall(r"@lapack_.*num_batch_dims = \"(\d)\"", text)
    assert set(batches) == {"0"}


_PROGRAMS = """
import jax
from jaxrestore.priors import Glow, GlowConfig
from tests.priors.random_weights import random_glow
config = GlowConfig(steps=(8,) * 4, widths=(4,) * 4)
prior, key = random_glow(config), jax.random.key(0)
images = jax.random.uniform(key, (2, 64, 64, 3))
slope = jax.jit(jax.grad(lambda x, p: p.encodings(x).log_prob.sum()))
fresh = jax.jit(lambda k: Glow.init_params(config, k))
for _ in range(100):
    jax.block_until_ready([slope(images, prior), fresh(key)])
"""


@pytest.mark.slow
def test_nothing_stands_still():
    """In a process with all of XLA's threads; two are enough."""
    flags = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    command = [sys.executable, "-c", _PROGRAMS]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | flags, timeout=300)
    assert done.returncode == 0
