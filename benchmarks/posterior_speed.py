"""What a step of `Gibbs` costs: passes through the network, and the data step.

python benchmarks/posterior_speed.py --prior=vdvae-faces64 --side=64 --chains=1,4,8

Seconds are the least of --repeats runs: of a pass (encoder and decoder, `reconstruct`),
of an exact draw of x given z, and of a whole step (both, and a draw of z) of so many
chains side by side.
"""

import argparse
import json
import time

import jax
import jax.numpy as jnp

from jaxrestore import Observation, load_prior
from jaxrestore.operators import Blur, Mask, kernels
from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.solvers import Gibbs
from jaxrestore.solvers.method import Problem


def _seconds(function, *arguments, repeats: int) -> float:
    jax.block_until_ready(function(*arguments))
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prior", default="vdvae-faces64")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--chains", default="1,4,8")
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    prior = load_prior(options.prior)
    assert isinstance(prior, HierarchicalVAE)
    shape = options.side, options.side, prior.config.image_channels
    image = jnp.full(shape, 0.5)
    seen = jnp.asarray(jax.random.uniform(jax.random.key(0), (*shape[:2], 1)) > 0.6)
    operators = {
        "mask": Mask(seen.astype(jnp.float32)),
        "blur": Blur(jnp.asarray(kernels.gaussian(11, 1.6))),
    }
    found = {}

    def measure(name, function, *arguments):
        found[name] = _seconds(jax.jit(function), *arguments, repeats=options.repeats)
        return found[name]

    one = measure("pass", lambda p, x: p.reconstruct(x, 1.0), prior, image)
    for name, operator in operators.items():
        observation = Observation.create(operator(image), operator, 3 / 255)
        method = Gibbs(prior, temperature=0.8, decoder_std=5 / 255)
        method = method.validate(observation).cast(image.dtype)

        def states(method, observation, keys):
            def first(key):
                return method.init(Problem(observation, image, 1, key))

            return jax.vmap(first)(keys)

        def step(method, observation, states, keys):
            problem = Problem(observation, image, 1)
            return jax.vmap(lambda s, k: method.step(problem, s, k))(states, keys)

        def data_step(observation, key):
            return observation.sample(key, image, 5 / 255)

        measure(f"{name}: draw of x", data_step, observation, jax.random.key(0))
        for chains in map(int, options.chains.split(",")):
            keys = jax.random.split(jax.random.key(1), chains)
            begun = jax.jit(states)(method, observation, keys)
            arguments = method, observation, begun, keys
            measure(f"{name}: step of {chains} chains", step, *arguments)
    print(json.dumps({k: round(v, 5) for k, v in found.items()}, indent=2))
    for name in (name for name in found if "step of" in name):
        chains = int(name.split()[-2])
        print(f"{name}: {found[name] / one / chains:.3f} passes each")


if __name__ == "__main__":
    main()
