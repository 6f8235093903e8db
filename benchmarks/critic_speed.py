"""Time and peak memory of Adam's 50 iterations with a critic at three image sizes.

    python benchmarks/critic_speed.py --out=critic_speed.json

Random weights: the time does not depend on them. Each size runs in a process of its
own, so that its peak of resident memory is its own; a process that only compiles and
solves a 16x16 image is the base that is taken off. Seconds are of the second run of the
compiled solver. Ends with the seconds and bytes a pixel, which should be alike.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

SIZES = ((160, 240), (321, 481), (642, 962))
BASE = (16, 16)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="critic_speed.json")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--one", help="HxW: measure this size here, print JSON")
    flags = parser.parse_args()
    if flags.one:
        height, width = map(int, flags.one.split("x"))
        print(json.dumps(measure(height, width, flags.steps)))
        return 0
    base, *rows = [in_a_process(size, flags.steps) for size in (BASE, *SIZES)]
    for row in rows:
        pixels = row["height"] * row["width"]
        row["peak_mb"] -= base["peak_mb"]
        row["microseconds_a_pixel"] = 1e6 * row["seconds"] / pixels
        row["kilobytes_a_pixel"] = 1e3 * row["peak_mb"] / pixels
        print({name: round(value, 3) for name, value in row.items()})
    report = {"steps": flags.steps, "machine": platform.processor(), "rows": rows}
    Path(flags.out).write_text(json.dumps(report, indent=2))
    return 0


def in_a_process(size: tuple[int, int], steps: int) -> dict[str, float]:
    """`measure` in a fresh interpreter."""
    text = "x".join(map(str, size))
    command = [sys.executable, __file__, f"--one={text}", f"--steps={steps}"]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def measure(height: int, width: int, steps: int) -> dict[str, float]:
    """Seconds to solve, to compile, and the process's peak memory in MB."""
    import jax
    import jax.numpy as jnp

    from jaxrestore import Observation, restore
    from jaxrestore.likelihoods import GaussianNoise
    from jaxrestore.operators import Identity
    from jaxrestore.priors import Critic, CriticConfig
    from jaxrestore.solvers import Variational

    critic = Critic.create(CriticConfig(), jax.random.key(0))
    y = jax.random.uniform(jax.random.key(1), (height, width, 3))
    observation = Observation(y, Identity(), GaussianNoise(jnp.float32(0.1)))
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        method = Variational(critic, weight=0.3, turns=True)
        result = restore(method, observation, max_steps=steps)
        jax.block_until_ready(result)
        seconds.append(time.perf_counter() - start)
    return {
        "height": height,
        "width": width,
        "seconds": seconds[1],
        "first_seconds": seconds[0],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


if __name__ == "__main__":
    sys.exit(main())
