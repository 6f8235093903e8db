"""Time what users wait for, beside what the machine could do.

    python benchmarks/speed.py --out=speed.json [--only=iteration,training,...]

Parts: `iteration` (one PnP-HVAE iteration, published network, 256 x 256), `training`
(one step of --config on --batch patches of its size), `input` (cutting those patches
from images in memory, as train.py does while the device computes), `vdvae` (one
reconstruction by Algorithm 3 with the ffhq256 VDVAE), `operators` (the data step of
each operator at 256 x 256), `import`. GFLOP/s count the convolutions and products that
the traced program holds. `chain` is the rate of those same products and convolutions
run one by one with nothing between them; `product` is the rate of one large matrix
product. Runs on whatever device JAX finds.
"""

import json
import platform
import resource
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from roofline import Op, flops, inventory, product_rate
from roofline import median as seconds

from jaxrestore import Observation, PnPHVAE, Stopping, operators, restore
from jaxrestore.configfiles import load_config
from jaxrestore.data.pipeline import training_batches
from jaxrestore.likelihoods import GaussianNoise
from jaxrestore.priors import VDVAE, PatchVDVAE
from jaxrestore.priors.hvae.patch_config import published
from jaxrestore.priors.hvae.vdvae_config import PUBLISHED
from jaxrestore.training.config import train_config
from jaxrestore.training.memory import keep_freed_memory
from jaxrestore.training.recipe import find_recipe

_OUT = flags.DEFINE_string("out", "", "JSON file to write.")
_ONLY = flags.DEFINE_list(
    "only",
    ["iteration", "training", "input", "vdvae", "operators", "import"],
    "Parts to run; memory peaks are of the process, so of all parts up to there.",
)
_REPEATS = flags.DEFINE_integer("repeats", 5, "Runs of each; the median counts.")
_SIZE = flags.DEFINE_integer("size", 256, "Side of the image.")
_CONFIG = flags.DEFINE_string("config", "patch_vdvae_published", "Of the training.")
_BATCH = flags.DEFINE_integer("batch", 2, "Patches of a training step.")
_KEEP = flags.DEFINE_bool("keep_memory", True, "As train.py: keep what a step frees.")


def chain_seconds(counts: Counter[Op], repeats: int) -> float:
    """Time of all those products and convolutions, each alone in a program."""
    total = 0.0
    for (primitive, shapes, frozen, _), count in counts.items():
        args = [jnp.ones(shape, dtype) for shape, dtype in shapes]
        run = jax.jit(lambda *a, p=primitive, f=frozen: p.bind(*a, **dict(f.params)))
        total += count * seconds(lambda run=run, args=args: run(*args), repeats)
    return total


def _rates(counts: Counter[Op], taken: float, repeats: int) -> dict[str, float]:
    work = sum(count * flops(op) for op, count in counts.items())
    chain = chain_seconds(counts, repeats)
    return {
        "seconds": taken,
        "gflop": work / 1e9,
        "gflops_per_second": work / taken / 1e9,
        "chain_gflops_per_second": work / chain / 1e9,
        "share_of_chain": chain / taken,
    }


def _observation(operator: Any, size: int) -> Observation:
    image = jax.random.uniform(jax.random.key(1), (size, size, 3))
    return Observation(operator(image), operator, GaussianNoise(8 / 255))


def time_iteration(size: int, repeats: int) -> dict[str, float]:
    """One iteration: a long solve minus a short one, per step; no loop overhead."""
    prior = PatchVDVAE.create(published(), jax.random.key(0))
    kernel = jnp.asarray(operators.kernels.gaussian(25, 1.6))
    observation = _observation(operators.Blur(kernel), size)

    def solve(steps: int) -> jax.Array:
        method, stopping = PnPHVAE(prior), Stopping(tolerance=0.0)
        return restore(method, observation, stopping=stopping, max_steps=steps).mean

    begin = time.perf_counter()
    jax.block_until_ready(solve(1))
    first = time.perf_counter() - begin
    taken = (
        seconds(lambda: solve(4), repeats) - seconds(lambda: solve(1), repeats)
    ) / 3
    image = observation.y
    counts = inventory(lambda p, x: p.reconstruct(x, 0.8), prior, image)
    return {"first_call_seconds": first, **_rates(counts, taken, repeats)}


def time_training(repeats: int) -> dict[str, float]:
    """One step: loss, gradient, update."""
    values = load_config(_CONFIG.value, "train")
    config = train_config(values, **{"data.train": "unused"})
    recipe = find_recipe(config.recipe)(config)
    params = jax.jit(recipe.init)(jax.random.key(0))
    optimizer = recipe.optimizer(config)
    side, channels = config.data.patch_size, config.model.image_channels
    shape = _BATCH.value, side, side, channels
    batch = {"image": jax.random.uniform(jax.random.key(1), shape)}

    def step(params: Any, state: Any, key: jax.Array) -> Any:
        gradient, metrics = jax.grad(recipe.loss, has_aux=True)(params, batch, key, 0)
        updates, state = optimizer.update(gradient, state, params)
        return jax.tree.map(jnp.add, params, updates), state, metrics

    args = (params, optimizer.init(params), jax.random.key(2))
    run = jax.jit(step)
    begin = time.perf_counter()
    jax.block_until_ready(run(*args))
    first = time.perf_counter() - begin
    rates = _rates(
        inventory(step, *args), seconds(lambda: run(*args), repeats), repeats
    )
    return {"first_call_seconds": first, **rates}


def time_input(repeats: int) -> dict[str, float]:
    """Seconds that a batch takes, and patches a second; sized as BSDS500."""
    values = load_config(_CONFIG.value, "train")
    data = train_config(values, **{"data.train": "unused"}).data
    rng = np.random.default_rng(0)
    pyramids = [
        tuple(
            rng.integers(0, 256, (321 // scale, 481 // scale, 3), np.uint8)
            for scale in data.scales
            if min(321 // scale, 481 // scale) >= data.patch_size
        )
        for _ in range(16)
    ]
    sources = {"image": 25 * pyramids}
    with closing(training_batches(sources, data, _BATCH.value, 0)) as found:
        many = 20  # prefetched ones are a fifth
        taken = seconds(lambda: [next(found) for _ in range(many)], repeats) / many
    return {"seconds": taken, "patches_per_second": _BATCH.value / taken}


def time_vdvae(repeats: int) -> dict[str, float]:
    """Algorithm 3 and the decoder of the ffhq256 network, random weights, tau = 0.8."""
    config = PUBLISHED["ffhq256"]
    prior = jax.jit(lambda key: VDVAE.create(config, key))(jax.random.key(0))
    image = jax.random.uniform(jax.random.key(1), (256, 256, 3))

    def reconstruct(prior: VDVAE, image: jax.Array) -> jax.Array:
        return prior.reconstruct(image, 0.8).mean

    begin = time.perf_counter()
    run = jax.jit(reconstruct).lower(prior, image).compile()
    compiled = time.perf_counter() - begin
    taken = seconds(lambda: run(prior, image), repeats)
    counts = inventory(reconstruct, prior, image)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    weights = sum(leaf.size for leaf in jax.tree.leaves(prior.params))
    report = {"parameters": weights, "compile_seconds": compiled, "peak_gib": peak}
    return report | _rates(counts, taken, repeats)


def time_operators(size: int, repeats: int) -> dict[str, float]:
    """Milliseconds of the exact data step x = prox(mu) for each operator."""
    kernel = jnp.asarray(operators.kernels.gaussian(25, 1.6))
    mask = jax.random.bernoulli(jax.random.key(3), 0.4, (size, size, 1))
    cases = {
        "identity": operators.Identity(),
        "mask": operators.Mask(mask.astype(jnp.float32)),
        "blur": operators.Blur(kernel),
        "downsample_x4": operators.Downsample(kernel, 4),
        "unknown_boundary_blur": operators.Crop((12, 12, 12, 12))
        @ operators.Blur(kernel),
    }
    prox = jax.jit(lambda observation, mean: observation.prox(mean, (10 / 255) ** 2))
    mean = jax.random.uniform(jax.random.key(4), (size, size, 3))
    milliseconds = {}
    for name, operator in cases.items():
        seen = _observation(operator, size)
        taken = seconds(lambda seen=seen: prox(seen, mean), max(repeats, 20))
        milliseconds[name] = 1e3 * taken
    return milliseconds


def time_import(repeats: int) -> dict[str, float]:
    """Seconds of `import jaxrestore` in a fresh process, beside `import jax`."""

    def run(module: str) -> None:
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    return {
        module: seconds(lambda module=module: run(module), repeats)
        for module in ("jax", "jaxrestore")
    }


def main(_: list[str]) -> None:
    repeats, size = _REPEATS.value, _SIZE.value
    kept = _KEEP.value and keep_freed_memory()
    result: dict[str, Any] = {
        "device": jax.devices()[0].device_kind,
        "processor": platform.processor() or platform.machine(),
        "jax": jax.__version__,
        "size": size,
        "freed_memory_is_kept": kept,
        "product_gflops_per_second": product_rate(repeats, 2048) / 1e9,
    }
    parts = {
        "iteration": lambda: time_iteration(size, repeats),
        "training": lambda: time_training(repeats),
        "input": lambda: time_input(repeats),
        "vdvae": lambda: time_vdvae(repeats),
        "operators": lambda: time_operators(size, repeats),
        "import": lambda: time_import(repeats),
    }
    unknown = sorted(set(_ONLY.value) - set(parts))
    if unknown:
        sys.exit(f"--only={unknown[0]}: unknown part; expected {', '.join(parts)}")
    for name in _ONLY.value:
        result[name] = parts[name]()
        print(name, json.dumps(result[name], indent=1), flush=True)
    print(f"product {result['product_gflops_per_second']:.0f} GFLOP/s")
    if _OUT.value:
        with open(_OUT.value, "w") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    app.run(main)
