"""What CVDVAE costs beside its VDVAE: a sample, and a training step.

    python benchmarks/cvdvae.py --out=cvdvae.json [--prior=ffhq256 --batch=1]

`sample`: seconds of one conditional sample (`DiverseSR`, projection included) and of
one unconditional sample of the VDVAE, alone and in batches of --samples, run in turns;
the median of their ratios. `training`: seconds and bytes (arguments, results and
temporaries of the compiled program) of one step of Adam on the recipe's criterion, the
VDVAE frozen, beside the same step that trains the VDVAE's parameters too. --prior is
vdvae-faces64 with its bundled encoders, or another name, file or published architecture
(random weights, on which times do not depend) with an encoder of its own blocks.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.priors import VDVAE, load_prior
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.hvae.lowres_config import LowResConfig
from jaxrestore.priors.hvae.vdvae_config import PUBLISHED
from jaxrestore.solvers import DiverseSR, sample
from jaxrestore.training.recipes.hvae import unrolled


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", default="cvdvae.json")
    add("--prior", default="vdvae-faces64")
    add("--factors", default="2,4,8")
    add("--samples", type=int, default=16)
    add("--batch", type=int, default=32, help="of the training step; 0: no training")
    add("--repeats", type=int, default=15)
    flags = parser.parse_args()
    prior, rows = load(flags.prior), []
    for factor in map(int, flags.factors.split(",")):
        encoder = encoder_for(flags.prior, prior, factor)
        row: dict[str, Any] = {"factor": factor, "groups": encoder.num_groups}
        for count in (1, flags.samples):
            row |= sampling(prior, encoder, count, flags.repeats)
        if flags.batch:
            row |= training(prior, encoder, flags.batch)
        rows.append(row)
        print({k: round(v, 4) for k, v in row.items()}, flush=True)
    report = {**vars(flags), "machine": platform.processor(), "rows": rows}
    Path(flags.out).write_text(json.dumps(report, indent=2))
    return 0


def load(name: str) -> VDVAE:
    """A VDVAE by name, file or published architecture."""
    if name in PUBLISHED:
        return VDVAE.create(PUBLISHED[name], jax.random.key(0))
    return load_prior(name)


def encoder_for(name: str, prior: VDVAE, factor: int) -> LowResEncoder:
    """The bundled encoder, for other priors one with its prior's blocks."""
    if name == "vdvae-faces64":
        return load_prior(f"cvdvae-faces64-x{factor}")
    config = LowResConfig(prior.config, factor=factor)
    return LowResEncoder.create(config, jax.random.key(1))


def sampling(prior, encoder, count: int, repeats: int) -> dict[str, float]:
    """Seconds for a sample of both kinds, in turns, and the median of the ratios."""
    config, key = encoder.config, jax.random.key(0)
    y = jnp.full((config.size, config.size, config.prior.image_channels), 0.5)
    shape = config.image_shape

    @jax.jit
    def conditional(prior, encoder, y):
        observation = Observation(y, config.operator(), GaussianNoise(1 / 255))
        method = DiverseSR(prior, encoder, temperature=0.8)
        return sample(method, observation, key=key, n_samples=count).samples

    @jax.jit
    def unconditional(prior, encoder, y):
        keys = jax.random.split(key, count)
        draw = lambda key: prior.sample(key, shape, 0.8)  # noqa: E731
        return jax.lax.map(draw, keys, batch_size=min(16, count))

    times: dict[Any, list[float]] = {conditional: [], unconditional: []}
    for _ in range(repeats + 1):
        for draw, measured in times.items():
            begin = time.perf_counter()
            jax.block_until_ready(draw(prior, encoder, y))
            measured.append((time.perf_counter() - begin) / count)
    pairs = list(zip(*times.values(), strict=True))[1:]  # the first run compiles
    text = f"_of_{count}" if count > 1 else ""
    return {
        f"seconds_conditional{text}": statistics.median(a for a, _ in pairs),
        f"seconds_unconditional{text}": statistics.median(b for _, b in pairs),
        f"ratio{text}": statistics.median(a / b for a, b in pairs),
    }


def training(prior, encoder, batch: int, repeats: int = 3) -> dict[str, float]:
    """Seconds and MB of a step that trains the encoder, and one that trains all."""
    config = encoder.config
    side, channels = config.prior.image_size, config.prior.image_channels
    images = jax.random.uniform(jax.random.key(2), (batch, side, side, channels))
    result = {}
    for name, trained in (
        ("frozen", {"own": encoder.params}),
        ("everything", {"own": encoder.params, "prior": prior.params}),
    ):
        step = jax.jit(partial(_step, config, prior.config), donate_argnums=(0, 1))
        moments = optax.adam(1e-4).init(trained)
        fixed = None if "prior" in trained else prior.params
        program = step.lower(trained, moments, fixed, images).compile()
        sizes: Any = program.memory_analysis()
        parts = ("argument", "output", "temp")
        total = sum(getattr(sizes, f"{part}_size_in_bytes") for part in parts)
        total -= sizes.alias_size_in_bytes
        state = jax.tree.map(jnp.copy, (trained, moments))
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            state = jax.block_until_ready(program(*state, fixed, images))
            times.append(time.perf_counter() - begin)
        result[f"seconds_{name}"] = statistics.median(times)
        result[f"mb_{name}"] = total / 1e6
    return result


def _step(config, architecture, trained, moments, frozen, images):
    unroll = unrolled(config.prior)
    teacher = unroll if "prior" in trained else architecture  # as the recipe has it
    keys = jax.random.split(jax.random.key(3), len(images))

    def loss(trained):
        encoder = LowResEncoder(trained["own"], replace(config, prior=unroll))
        prior = VDVAE(trained.get("prior", frozen), teacher)
        y = jax.vmap(config.operator())(images)
        kl = jax.vmap(partial(encoder.divergence, prior))(images, y, keys)
        return kl.sum(1).mean() / images[0].size

    gradient = jax.grad(loss)(trained)
    updates, moments = optax.adam(1e-4).update(gradient, moments)
    return optax.apply_updates(trained, updates), moments


if __name__ == "__main__":
    sys.exit(main())
