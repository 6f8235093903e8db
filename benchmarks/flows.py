"""Time and memory of a Glow: log p with gradients, descent steps, recomputation.

    python benchmarks/flows.py --out=flows.json [--steps=32 --width=512 --batch=16]
    python benchmarks/flows.py --memory         # compiles, measures no time

Random weights, colour images; defaults are the published network. GFLOP/s count the
products of forward pass and gradients, without those of recomputation. `chain` is the
rate of the same products run one by one with nothing between them. `plain` stores every
activation instead of computing it again from the outputs. Megabytes are XLA's count of
temporary memory. With PyTorch installed the authors' layers run beside ours, in turn.
"""

import argparse
import contextlib
import json
import platform
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from torch_glow import TorchGlow

from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.nets import flow_steps
from jaxrestore.operators import Identity
from jaxrestore.priors import Glow, GlowConfig
from jaxrestore.solvers import Analysis, Synthesis
from jaxrestore.solvers.method import Problem

DEPTHS = (2, 4, 8, 16, 32)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="flows.json")
    for name, value in (("steps", 32), ("width", 512), ("batch", 16), ("size", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="no times")
    flags = parser.parse_args()
    config = GlowConfig(flags.size, 3, (flags.steps,) * 4, (flags.width,) * 4)
    report: dict[str, Any] = {"machine": platform.processor(), "flags": vars(flags)}
    report["memory"] = memory(config, flags.batch)
    if not flags.memory:
        report["times"] = times(config, flags.batch, flags.repeats)
        report["beside PyTorch"] = beside(flags, config)
    for part, rows in report.items():
        print(part, rows)
    Path(flags.out).write_text(json.dumps(report, indent=2))
    return 0


def inputs(config: GlowConfig, batch: int, key: jax.Array) -> tuple:
    """A network, images and latents, all random."""
    prior = Glow(Glow.init_params(config, key), config)
    shape = (config.image_size, config.image_size)
    images = jax.random.uniform(key, (batch, *shape, config.image_channels))
    draw = jax.vmap(lambda k: prior.draw(k, shape))
    return prior, images, draw(jax.random.split(key, batch))


def tasks(prior: Glow, images: Any, latents: Any) -> dict[str, tuple]:
    """name -> (function, arguments, how often the forward products are run)."""

    def log_prob(prior, images):
        return prior.encodings(images).log_prob.mean()

    def descent(method, image, point):
        seen = Observation(image, Identity(), GaussianNoise(jnp.float32(0.1)))
        problem = Problem(seen, image, 1)
        return jax.grad(lambda p: method.evaluate(problem, p)[0])(point)

    steps = jax.vmap(descent, (None, 0, 0))
    return {
        "log p": (log_prob, (prior, images), 1),
        "log p, gradient in x": (jax.grad(log_prob, 1), (prior, images), 2),
        "log p, gradient in weights": (jax.grad(log_prob), (prior, images), 3),
        "analysis step": (steps, (Analysis(prior), images, images), 2),
        "synthesis step": (steps, (Synthesis(prior), images, latents), 2),
    }


@contextlib.contextmanager
def plain():
    """Differentiation that stores every activation."""
    own: Any = flow_steps.encode, flow_steps.decode
    flow_steps.encode, flow_steps.decode = (f.fun for f in own)
    try:
        yield
    finally:
        flow_steps.encode, flow_steps.decode = own


RULES = {"recomputed": contextlib.nullcontext, "plain": plain}


def memory(config: GlowConfig, batch: int) -> list[dict[str, Any]]:
    """Temporary megabytes of each task by depth, with recomputation and without."""
    rows = []
    for depth in (d for d in DEPTHS if d <= config.steps[0]):
        shallow = replace(config, steps=(depth,) * len(config.steps))
        key = jax.eval_shape(lambda: jax.random.key(0))
        given = jax.eval_shape(partial(inputs, shallow, batch), key)
        for rule, context in RULES.items():
            with context():
                row: dict[str, Any] = {"depth": depth, "rule": rule}
                for name, (f, own, _) in tasks(*given).items():
                    used = compiled(f, own).memory_analysis()
                    row[name] = round(used.temp_size_in_bytes / 1e6, 1)
            rows.append(row)
            print(row, flush=True)
    return rows


def compiled(function, given) -> Any:
    # A function of its own: JAX keeps traces by function, whatever rule was in force.
    return jax.jit(lambda *a: function(*a)).lower(*given).compile()


def times(config: GlowConfig, batch: int, repeats: int) -> list[dict[str, Any]]:
    """Seconds and GFLOP/s of each task."""
    shapes = products(config, batch)
    flop = sum(2e-9 * count * m * k * n for (m, k, n), count in shapes.items())
    chain = flop / sum(count * product(s, repeats) for s, count in shapes.items())
    rows: list[dict[str, Any]] = [{"forward GFLOP": flop, "chain GFLOP/s": chain}]
    build = jax.jit(partial(inputs, config, batch))
    given = build(jax.random.key(0))
    for rule, context in RULES.items():
        with context():
            for name, (f, own, passes) in tasks(*given).items():
                seconds = fastest(partial(compiled(f, own), *own), repeats)
                row = {"task": name, "rule": rule, "seconds": seconds}
                rows.append(row | {"GFLOP/s": passes * flop / seconds})
                print(rows[-1], flush=True)
    return rows


def products(config: GlowConfig, batch: int) -> dict[tuple[int, int, int], int]:
    """(m, k, n) of the products of a forward pass, and how many there are."""
    found: dict[tuple[int, int, int], int] = {}
    for block, (count, width) in enumerate(
        zip(config.steps, config.widths, strict=True)
    ):
        side, channels = config.latent_shape(block)[0], config.channels(block)
        m, half = batch * side * side, channels // 2
        shapes = [(m, channels, channels), (m, 9 * half, width), (m, width, width)]
        for shape in [*shapes, (m, width, 9 * half)]:
            found[shape] = found.get(shape, 0) + count
    return found


def product(shape: tuple[int, int, int], repeats: int) -> float:
    m, k, n = shape
    multiply = jax.jit(jnp.matmul)
    return fastest(lambda: multiply(jnp.ones((m, k)), jnp.ones((k, n))), repeats)


def fastest(run, repeats: int) -> float:
    """The least seconds of some runs after a first one."""
    jax.block_until_ready(run())
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def beside(flags, config: GlowConfig) -> list[dict[str, Any]]:
    """The same network, ours and layer by layer in PyTorch, in turn."""
    prior, images, latents = inputs(config, flags.batch, jax.random.key(0))
    try:
        theirs = TorchGlow(prior)
    except ModuleNotFoundError:
        return [{"left out": "PyTorch is not installed"}]
    x = theirs.torch.tensor(np.array(images.transpose(0, 3, 1, 2)))
    ours = tasks(prior, images, latents)
    difference = np.array(prior.encodings(images).log_prob)
    difference -= theirs.log_prob(x).detach().numpy()
    rows: list[dict[str, Any]] = [{"largest difference, nats": abs(difference).max()}]
    weights = [theirs.w[name] for name in theirs.trained()]
    for name, inner in (
        ("log p, gradient in x", None),
        ("log p, gradient in weights", weights),
    ):
        function, given, _ = ours[name]
        mine = partial(compiled(function, given), *given)
        other = partial(_gradient, theirs, x, inner)
        pairs = [(fastest(mine, 1), fastest(other, 1)) for _ in range(flags.repeats)]
        ratios = [b / a for a, b in pairs]
        row = {"jax": min(a for a, _ in pairs), "torch": min(b for _, b in pairs)}
        rows.append({"task": name, **row, "median ratio": float(np.median(ratios))})
        print(rows[-1], flush=True)
    return rows


def _gradient(theirs: TorchGlow, x, weights) -> None:
    """Of mean log p in the weights, or where there are none in x."""
    x = x.detach().requires_grad_(weights is None)
    theirs.torch.autograd.grad(theirs.log_prob(x).mean(), weights or [x])


if __name__ == "__main__":
    sys.exit(main())
