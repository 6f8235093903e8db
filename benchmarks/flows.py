"""Time and memory of a Glow: log p with gradients, descent steps, recomputation.

    python benchmarks/flows.py --out=flows.json [--steps=32 --width=512 --batch=16]
    python benchmarks/flows.py --parts memory --depths 2 8 32  # only compiles

Random weights, colour images; defaults are the published network. GFLOP/s count the
products of forward pass and gradients, without those of recomputation. `chain` is the
rate of the same products run one by one with nothing between them. `plain` stores every
activation instead of computing it again from the outputs. Megabytes are XLA's count of
temporary memory. With PyTorch installed the authors' layers run beside ours, in turn.
On a busy machine one thread and `--clock cpu` count the seconds of processors.
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

TASKS = (
    "log p",
    "log p, gradient in x",
    "log p, gradient in weights",
    "analysis step",
    "synthesis step",
)
PARTS = ("memory", "times", "beside PyTorch")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="flows.json")
    for name, value in (("steps", 32), ("width", 512), ("batch", 16), ("size", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--depths", nargs="+", type=int, default=[2, 4, 8, 16, 32])
    for name, known in (("parts", PARTS), ("tasks", TASKS)):
        parser.add_argument(f"--{name}", nargs="+", choices=known, default=known)
    flags = parser.parse_args()
    config = GlowConfig(flags.size, 3, (flags.steps,) * 4, (flags.width,) * 4)
    report: dict[str, Any] = {"machine": platform.processor(), "flags": vars(flags)}
    measure = dict(zip(PARTS, (memory, times, beside), strict=True))
    report |= {part: measure[part](flags, config) for part in flags.parts}
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
    found = (
        (log_prob, (prior, images), 1),
        (jax.grad(log_prob, 1), (prior, images), 2),
        (jax.grad(log_prob), (prior, images), 3),
        (steps, (Analysis(prior), images, images), 2),
        (steps, (Synthesis(prior), images, latents), 2),
    )
    return dict(zip(TASKS, found, strict=True))


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


def memory(flags, config: GlowConfig) -> list[dict[str, Any]]:
    """Temporary megabytes of each task by depth, with recomputation and without."""
    rows = []
    for depth in flags.depths:
        shallow = replace(config, steps=(depth,) * len(config.steps))
        key = jax.eval_shape(lambda: jax.random.key(0))
        given = jax.eval_shape(partial(inputs, shallow, flags.batch), key)
        for rule, context in RULES.items():
            with context():
                row: dict[str, Any] = {"depth": depth, "rule": rule}
                for name in flags.tasks:
                    f, own, _ = tasks(*given)[name]
                    used = compiled(f, own).memory_analysis()
                    row[name] = round(used.temp_size_in_bytes / 1e6, 1)
            rows.append(row)
            print(row, flush=True)
    return rows


def compiled(function, given) -> Any:
    # A function of its own: JAX keeps traces by function, whatever rule was in force.
    return jax.jit(lambda *a: function(*a)).lower(*given).compile()


def times(flags, config: GlowConfig) -> list[dict[str, Any]]:
    """Seconds and GFLOP/s of each task."""
    measure = partial(fastest, repeats=flags.repeats, clock=flags.clock)
    rows = [chain(flags, config)]
    flop = rows[0]["forward GFLOP"]
    build = jax.jit(partial(inputs, config, flags.batch))
    given = build(jax.random.key(0))
    for rule, context in RULES.items():
        with context():
            for name in flags.tasks:
                f, own, passes = tasks(*given)[name]
                seconds = measure(partial(compiled(f, own), *own))
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


def chain(flags, config: GlowConfig) -> dict[str, Any]:
    """The forward products, and their rate one by one."""
    shapes = products(config, flags.batch)
    flop = sum(2e-9 * count * m * k * n for (m, k, n), count in shapes.items())
    measure = partial(fastest, repeats=flags.repeats, clock=flags.clock)
    seconds = sum(count * measure(product(s)) for s, count in shapes.items())
    return {"forward GFLOP": flop, "chain GFLOP/s": flop / seconds}


def product(shape: tuple[int, int, int]):
    m, k, n = shape
    factors = jnp.ones((m, k)), jnp.ones((k, n))
    return partial(jax.jit(jnp.matmul), *factors)


def fastest(run, repeats: int, clock: str) -> float:
    """The least seconds of some runs after a first one."""
    timed(run, clock)
    return min(timed(run, clock) for _ in range(repeats))


def timed(run, clock: str) -> float:
    """Seconds of one run."""
    start = CLOCKS[clock]()
    jax.block_until_ready(run())
    return CLOCKS[clock]() - start


def beside(flags, config: GlowConfig) -> list[dict[str, Any]]:
    """The same network, ours and layer by layer in PyTorch, in turn."""
    build = jax.jit(partial(inputs, config, flags.batch))
    prior, images, latents = build(jax.random.key(0))
    try:
        theirs = TorchGlow(prior)
    except ModuleNotFoundError:
        return [{"left out": "PyTorch is not installed"}]
    x = theirs.torch.tensor(np.array(images.transpose(0, 3, 1, 2)))
    ours = tasks(prior, images, latents)
    difference = np.array(jax.jit(lambda p, x: p.encodings(x).log_prob)(prior, images))
    with theirs.torch.no_grad():
        difference -= theirs.log_prob(x).numpy()
    largest = float(abs(difference).max())
    rows = [chain(flags, config) | {"largest difference, nats": largest}]
    print(rows[0], flush=True)
    flop = rows[0]["forward GFLOP"]
    z = [
        theirs.torch.tensor(np.array(one.transpose(0, 3, 1, 2)))
        for one in sorted(latents, key=lambda one: -one.shape[1])
    ]
    decoded = jax.jit(lambda p, z: jax.vmap(p.decode)(z))(prior, latents)
    with theirs.torch.no_grad():
        pixels = theirs.decode(z).permute(0, 2, 3, 1).numpy()
    rows[0]["largest difference, pixels"] = float(abs(pixels - decoded).max())
    others = dict(zip(TASKS, _theirs(theirs, x, z), strict=True))
    for name in flags.tasks:
        function, given, passes = ours[name]
        mine = partial(compiled(function, given), *given)
        both = [partial(timed, run, flags.clock) for run in (mine, others[name])]
        pairs = [[run() for run in both] for _ in range(flags.repeats + 1)][1:]
        ratios = [b / a for a, b in pairs]
        row = {"jax": min(a for a, _ in pairs), "torch": min(b for _, b in pairs)}
        row |= {"GFLOP/s": passes * flop / row["jax"], "ratios": ratios}
        rows.append({"task": name, **row, "median ratio": float(np.median(ratios))})
        print(rows[-1], flush=True)
    return rows


def _theirs(theirs: TorchGlow, x, z: list) -> list:
    """What `tasks` lists, run by PyTorch."""
    weights = [theirs.w[name] for name in theirs.trained()]

    def gradient(objective, points):
        points = [point.detach().requires_grad_() for point in points]
        theirs.torch.autograd.grad(objective(*points), points)

    def misfit(image):
        return ((image - x) ** 2).sum() / (2 * 0.1**2)

    def log_prob(image):
        return theirs.log_prob(image).sum()

    def synthesis(*z):
        return misfit(theirs.decode(list(z))) + sum((one**2).sum() / 2 for one in z)

    return [
        theirs.torch.no_grad()(partial(log_prob, x)),
        partial(gradient, log_prob, [x]),
        lambda: theirs.torch.autograd.grad(log_prob(x), weights),
        partial(gradient, lambda image: misfit(image) - log_prob(image), [x]),
        partial(gradient, synthesis, z),
    ]


if __name__ == "__main__":
    sys.exit(main())
