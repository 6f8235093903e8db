"""Seconds of VBLE: one iteration and 100 draws, by image size; beside torch if there.

python benchmarks/vble_speed.py --sizes=256,512,1024 [--width=64 --latents=96]

Prints a JSON line for each size. The same untrained mean-scale hyperprior runs in both;
torch does what the released code does: decoder and densities at one draw, their
gradient, Adam's step. Without torch (`pip install '.[torch]'`) its times are null.
"""

import argparse
import importlib
import json
import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.convert import to_state_dict
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Identity
from jaxrestore.priors import CAE, CAEConfig
from jaxrestore.solvers import VBLE, restore, sample
from jaxrestore.solvers.posterior import Posterior

_STEPS, _DRAWS, _SIGMA = 10, 100, 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds of VBLE by image size")
    parser.add_argument("--sizes", default="256,512,1024")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--latents", type=int, default=96)
    arguments = parser.parse_args()
    config = CAEConfig("mean", arguments.width, arguments.latents)
    prior = CAE.create(config, jax.random.key(0))
    try:
        torch: Any = importlib.import_module("torch")
    except ModuleNotFoundError:
        torch = None
        print("torch is not installed: its times are null")
    for size in map(int, arguments.sizes.split(",")):
        image = np.random.default_rng(0).random((size, size, 3), np.float32)
        found: dict[str, Any] = {"size": size, "jax": _jax(prior, image)}
        found["torch"] = torch and _Torch(torch, prior).seconds(image)
        print(json.dumps(found), flush=True)


def _jax(prior: CAE, image: np.ndarray) -> dict[str, float]:
    noise = GaussianNoise(jnp.float32(_SIGMA))
    seen = Observation(jnp.asarray(image), Identity(), noise)
    key, method = jax.random.key(0), VBLE(prior)

    def fit(steps):
        return jax.block_until_ready(restore(method, seen, key=key, max_steps=steps))

    result = fit(_STEPS)
    posterior: Posterior = method.posterior(result)

    def draw(count):
        arguments: Any = {"key": key, "n_samples": count, "keep": False}
        return jax.block_until_ready(sample(posterior, seen, **arguments))

    draw(_DRAWS)
    return {
        "iteration": _timed(lambda: fit(_STEPS)) / _STEPS,
        "draws": _timed(lambda: draw(_DRAWS)),
    }


def _timed(call) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


class _Torch:
    """The mean-scale hyperprior's decoder and densities in torch."""

    def __init__(self, torch: Any, prior: CAE):
        self.torch, self.f = torch, torch.nn.functional
        self.prior = prior
        self.w = {
            name: torch.from_numpy(np.array(value))
            for name, value in to_state_dict(prior).items()
        }

    def seconds(self, image: np.ndarray) -> dict[str, float]:
        torch = self.torch
        y = torch.from_numpy(image).permute(2, 0, 1)[None]
        h, z = (np.asarray(v) for v in self.prior.encode(jnp.asarray(image)))
        point = [
            torch.from_numpy(v.transpose(2, 0, 1)[None].copy()).requires_grad_()
            for v in (h, z, np.zeros_like(h), np.zeros_like(z))
        ]
        adam = torch.optim.Adam(point, 0.1)

        def steps():
            for _ in range(_STEPS):
                adam.zero_grad()
                self.objective(point, y).backward()
                torch.nn.utils.clip_grad_norm_(point, 20)
                adam.step()

        def draws():
            with torch.no_grad():
                for _ in range(_DRAWS):
                    self.decode(self.moved(point)[1])

        steps()
        return {"iteration": _timed(steps) / _STEPS, "draws": _timed(draws)}

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
    main()
