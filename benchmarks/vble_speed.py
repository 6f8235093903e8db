"""Seconds and memory of VBLE by image size: an iteration, a draw; beside torch.

python benchmarks/vble_speed.py --sizes=256 --draws=100 [--width=64 --latents=96]
python benchmarks/vble_speed.py --sizes=256,512,1024,2048 --engines=jax --draws=5

Prints a JSON line for each size and engine, each run in a process of its own, whose
largest resident memory it tells beside that of the imports and weights alone. The same
untrained mean-scale hyperprior runs in both; torch does what the released code does:
decoder and densities at one draw, their gradient, Adam's step. Without torch
(`pip install '.[torch]'`) its line is missing. Seconds are of the wall and of all cores
together ("cpu"), which on a busy machine is the number to compare; --threads=1 gives
each engine one core. Compilation and the first run are left out.
"""

import argparse
import importlib
import importlib.util
import json
import math
import os
import resource
import subprocess
import sys
import time
from typing import Any

_SIGMA = 0.03
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
ENGINES = ("jax", "torch")


def main() -> int:
    flags = _flags()
    if flags.one:
        print(json.dumps(_measured(flags)), flush=True)
        return 0
    environment = {**os.environ, **(_ONE_THREAD if flags.threads == 1 else {})}
    code = 0
    for size in map(int, flags.sizes.split(",")):
        for engine in flags.engines.split(","):
            if engine == "torch" and importlib.util.find_spec("torch") is None:
                print("torch is not installed: no line of it")
                continue
            line = [sys.executable, *sys.argv, f"--one={engine}", f"--sizes={size}"]
            code |= subprocess.run(line, env=environment, check=False).returncode
    return code


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="256,512,1024", help="sides in pixels")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--one", choices=ENGINES, help="one engine and size, here")
    numbers = {"steps": 10, "draws": 100, "width": 64, "latents": 96, "threads": 0}
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def _measured(flags: argparse.Namespace) -> dict[str, Any]:
    """Of one engine at one size, in this process."""
    import jax
    import numpy as np

    from jaxrestore.priors import CAE, CAEConfig

    config = CAEConfig("mean", flags.width, flags.latents)
    prior = CAE.create(config, jax.random.key(0))
    size = int(flags.sizes)
    image = np.random.default_rng(0).random((size, size, 3), np.float32)
    engine = _Jax(prior) if flags.one == "jax" else _Torch(prior, flags.threads)
    before = _megabytes()
    steps, draws = engine.runs(image, flags.steps, flags.draws)
    found: dict[str, Any] = {"engine": flags.one, "size": size}
    found["iteration"] = _timed(steps, flags.steps)
    found["draw"] = _timed(draws, flags.draws)
    return found | {"megabytes": _megabytes(), "megabytes before": before}


def _megabytes() -> float:
    """The largest resident memory of this process so far (Linux counts in KiB)."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def _timed(call, count: int) -> dict[str, float]:
    """Seconds of the wall and of all cores, of one of `count`."""
    call()
    begin = time.perf_counter(), time.process_time()
    call()
    end = time.perf_counter(), time.process_time()
    wall, cpu = ((b - a) / count for a, b in zip(begin, end, strict=True))
    return {"wall": round(wall, 4), "cpu": round(cpu, 4)}


class _Jax:
    """`VBLE` as it is."""

    def __init__(self, prior: Any):
        self.prior = prior

    def runs(self, image, count: int, draw_count: int):
        import jax
        import jax.numpy as jnp

        from jaxrestore.likelihoods import GaussianNoise, Observation
        from jaxrestore.operators import Identity
        from jaxrestore.solvers import VBLE, restore, sample

        noise = GaussianNoise(jnp.float32(_SIGMA))
        seen = Observation(jnp.asarray(image), Identity(), noise)
        key, method = jax.random.key(0), VBLE(self.prior)

        def steps():
            found = restore(method, seen, key=key, max_steps=count)
            return jax.block_until_ready(found)

        posterior: Any = method.posterior(steps())
        given: Any = {"key": key, "n_samples": draw_count, "keep": False}

        def draws():
            return jax.block_until_ready(sample(posterior, seen, **given))

        return steps, draws


class _Torch:
    """The mean-scale hyperprior's decoder and densities in torch."""

    def __init__(self, prior: Any, threads: int):
        import numpy as np

        from jaxrestore.convert import to_state_dict

        torch: Any = importlib.import_module("torch")
        if threads:
            torch.set_num_threads(threads)
        self.torch, self.f, self.prior = torch, torch.nn.functional, prior
        self.w = {
            name: torch.from_numpy(np.array(value))
            for name, value in to_state_dict(prior).items()
        }

    def runs(self, image, count: int, draw_count: int):
        import jax.numpy as jnp
        import numpy as np

        torch = self.torch
        y = torch.from_numpy(image).permute(2, 0, 1)[None]
        h, z = (np.asarray(v) for v in self.prior.encode(jnp.asarray(image)))
        point = [
            torch.from_numpy(v.transpose(2, 0, 1)[None].copy()).requires_grad_()
            for v in (h, z, np.zeros_like(h), np.zeros_like(z))
        ]
        adam = torch.optim.Adam(point, 0.1)

        def steps():
            for _ in range(count):
                adam.zero_grad()
                self.objective(point, y).backward()
                torch.nn.utils.clip_grad_norm_(point, 20)
                adam.step()

        def draws():
            with torch.no_grad():
                for _ in range(draw_count):
                    self.decode(self.moved(point)[1])

        return steps, draws

    def moved(self, point):
        h, z, log_h, log_z = point
        boxes = (self.torch.rand_like(h) - 0.5, self.torch.rand_like(z) - 0.5)
        return h + log_h.exp() * boxes[0], z + log_z.exp() * boxes[1]

    def objective(self, point, y):
        h, z = self.moved(point)
        misfit = (self.decode(z).clamp(-0.1, 1.1) - y).square().sum() / (2 * _SIGMA**2)
        scale, mean = self.stack("h_s", h, "leaky").chunk(2, 1)
        scale, off = scale.clamp(min=0.11), (z - mean).abs()
        root = math.sqrt(2)
        mass = self.torch.erfc((off - 0.5) / scale / root)
        mass = (mass - self.torch.erfc((off + 0.5) / scale / root)) / 2
        nats = -mass.clamp(min=1e-9).log().sum() - self.density(h).log().sum()
        entropy = point[2].sum() + point[3].sum()
        return (misfit + nats - entropy) / y[0, 0].numel()

    def decode(self, z):
        return self.stack("g_s", z, "igdn")

    def stack(self, name: str, x, between: str):
        for i in (0, 2, 4, 6):
            weight = self.w.get(f"{name}.{i}.weight")
            if weight is None:
                break
            bias = self.w[f"{name}.{i}.bias"]
            if weight.shape[-1] == 3:
                x = self.f.conv2d(x, weight, bias, padding=1)
            else:
                x = self.f.conv_transpose2d(x, weight, bias, 2, 2, 1)
            if f"{name}.{i + 2}.weight" in self.w:
                x = self.igdn(f"{name}.{i + 1}", x) if between == "igdn" else x
                x = self.f.leaky_relu(x, 0.01) if between == "leaky" else x
        return x

    def igdn(self, name: str, x):
        beta = self.w[f"{name}.beta"] ** 2 - 2.0**-36
        gamma = self.w[f"{name}.gamma"] ** 2 - 2.0**-36
        return x * self.f.conv2d(x * x, gamma[:, :, None, None], beta).sqrt()

    def density(self, h):
        flat = h[0].flatten(1)[:, None]

        def logit(u):
            for i in range(5):
                matrix = self.f.softplus(self.w[f"entropy_bottleneck._matrix{i}"])
                u = matrix @ u + self.w[f"entropy_bottleneck._bias{i}"]
                if i < 4:
                    factor = self.w[f"entropy_bottleneck._factor{i}"]
                    u = u + factor.tanh() * u.tanh()
            return u

        upper, lower = logit(flat + 0.5).sigmoid(), logit(flat - 0.5).sigmoid()
        return (upper - lower).clamp(min=1e-9)


if __name__ == "__main__":
    sys.exit(main())
