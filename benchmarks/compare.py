"""One table: our steps beside those of others, and beside what the device can do.

    python benchmarks/compare.py --out=compare.json [--size=256] [--clock=cpu]

Rows: one evaluation of the published PatchVDVAE (random weights), encoder by Algorithm
3 and decoder; the exact data step with masks, blurs, blur and decimation. Columns:
ours; the published network's layers in PyTorch (`torch_patch_vdvae.py`; with images as
(N, C, H, W) and as (N, H, W, C) in memory); deepinv and scico with their defaults; each
where it is installed (`pip install torch deepinv scico`). Seconds are medians of runs
in turn; results are compared, `apart` is the largest difference to ours. `share` is the
least time by the measured roofline (a matrix product's rate, and the bandwidth of
x + y / 2 for arguments and results) over ours: on an accelerator the share of its peak.
On a busy machine `--clock=cpu` with one thread counts the seconds of processors.
"""

import importlib.util
import json
import platform
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from others import FACTOR, Step, deepinv, scico
from roofline import CLOCKS, Roofline, flops, inventory, least_bytes, measured, once
from torch_patch_vdvae import TorchPatchVDVAE

from jaxrestore import Observation, operators
from jaxrestore.likelihoods import GaussianNoise
from jaxrestore.priors import PatchVDVAE
from jaxrestore.priors.hvae.patch_config import PatchVDVAEConfig, published

_OUT = flags.DEFINE_string("out", "", "JSON file to write.")
_SIZE = flags.DEFINE_integer("size", 256, "Side of the image, a multiple of 64.")
_REPEATS = flags.DEFINE_integer("repeats", 5, "Runs of each; the median counts.")
_CLOCK = flags.DEFINE_enum("clock", "wall", list(CLOCKS), "Which seconds.")
_PRODUCT = flags.DEFINE_integer("product", 2048, "Side of the matrix product.")
_OTHERS = {"deepinv": deepinv, "scico": scico}
_TEMPERATURE = 0.8
_NOISE, _STEP = 8 / 255, 10 / 255


class Ours(NamedTuple):
    """Our program, its arguments and what it computes at least."""

    program: Any
    arguments: tuple
    flops: float = 0.0

    def __call__(self) -> np.ndarray:
        return np.asarray(self.program(*self.arguments))


def network(size: int) -> tuple[Ours, dict[str, Step]]:
    """One evaluation, ours and in PyTorch."""
    prior = _random(published())
    image = jax.random.uniform(jax.random.key(1), (size, size, 3))

    def mean(prior, image):
        return prior.reconstruct(image, _TEMPERATURE).mean

    counts = inventory(mean, prior, image)
    work = sum(count * flops(op) for op, count in counts.items())
    ours = Ours(jax.jit(mean).lower(prior, image).compile(), (prior, image), work)
    others = {}
    if importlib.util.find_spec("torch"):
        pixels = np.asarray(image)
        for name, last in (("PyTorch", False), ("PyTorch, channels last", True)):
            evaluate = TorchPatchVDVAE(prior, last).reconstruct
            others[name] = partial(evaluate, pixels, _TEMPERATURE)
    return ours, others


def _random(config: PatchVDVAEConfig) -> PatchVDVAE:
    """A network whose weights keep the size of what goes through, nothing compiled."""
    rng = np.random.default_rng(0)
    create = partial(PatchVDVAE.create, config)
    shapes = jax.eval_shape(create, jax.random.key(0))

    def draw(path, leaf):
        if (name := path[-1].key) != "kernel":  # biases are 0, the first prior N(0, I)
            return jnp.full(leaf.shape, float(name == "prior_std"))
        inputs = leaf.shape[leaf.ndim % 2 : -1]  # without the axis over equal blocks
        scale = np.float32(np.prod(inputs) ** -0.5)
        return jnp.asarray(scale * rng.standard_normal(leaf.shape, np.float32))

    return jax.tree_util.tree_map_with_path(draw, shapes)


def data_step(case: str, size: int) -> tuple[Ours, dict[str, Step]]:
    """x that explains y and stays near v, ours and by others."""
    kernel = np.asarray(operators.kernels.gaussian(25, 1.6), np.float32)
    keys = jax.random.split(jax.random.key(2), 3)
    mask = jax.random.bernoulli(keys[0], 0.4, (size, size, 1)).astype(jnp.float32)
    blur = jnp.asarray(kernel)
    operator: Any = {
        "mask": lambda: operators.Mask(mask),
        "blur": lambda: operators.Blur(blur),
    }.get(case, lambda: operators.Downsample(blur, FACTOR))()
    v = jax.random.uniform(keys[1], (size, size, 3))
    y = operator(jax.random.uniform(keys[2], (size, size, 3)))
    seen = Observation(y, operator, GaussianNoise(jnp.float32(_NOISE)))
    prox = jax.jit(lambda seen, v: seen.prox(v, _STEP**2))
    ours = Ours(prox.lower(seen, v).compile(), (seen, v))
    known: Any = [case, *map(np.asarray, (y, v, kernel, mask)), (_STEP / _NOISE) ** 2]
    installed = (name for name in _OTHERS if importlib.util.find_spec(name))
    return ours, {name: _OTHERS[name](*known)[1] for name in installed}


def compared(ours: Ours, others: dict[str, Step], roof: Roofline) -> dict[str, Any]:
    """Seconds of each, in turn, beside the roofline."""
    expected = ours()
    apart = {k: float(np.abs(call() - expected).max()) for k, call in others.items()}
    spans: dict[str, list[float]] = {}
    for _ in range(_REPEATS.value):
        for name, call in {"ours": ours, **others}.items():
            spans.setdefault(name, []).append(once(call, _CLOCK.value))
    seconds = {name: statistics.median(span) for name, span in spans.items()}
    least = roof.seconds(ours.flops, least_bytes(ours.program))
    return {
        "seconds": seconds,
        "apart": apart,
        "GFLOP": ours.flops / 1e9,
        "share": least / seconds["ours"],
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """As Markdown, milliseconds."""
    names = list(
        dict.fromkeys(name for row in rows.values() for name in row["seconds"])
    )
    lines = ["| ms | " + " | ".join(names) + " | share of the roofline |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for title, row in rows.items():
        cells = (row["seconds"].get(name) for name in names)
        texts = ["" if s is None else f"{1e3 * s:.3g}" for s in cells]
        lines.append(f"| {title} | {' | '.join(texts)} | {row['share']:.0%} |")
    return "\n".join(lines)


def versions() -> dict[str, str]:
    """Of what is compared."""
    names = ("jax", "torch", "deepinv", "scico")
    found = (name for name in names if importlib.util.find_spec(name))
    return {name: importlib.import_module(name).__version__ for name in found}


def main(_: list[str]) -> None:
    roof = measured(_REPEATS.value, _CLOCK.value, _PRODUCT.value)
    size = f"{_SIZE.value} x {_SIZE.value}"
    cases = ("mask", "blur", f"blur, every {FACTOR}th pixel")
    rows = {f"published PatchVDVAE, one evaluation, {size}": network(_SIZE.value)}
    rows |= {f"data step, {c}, {size}": data_step(c, _SIZE.value) for c in cases}
    report: dict[str, Any] = {
        "device": jax.devices()[0].device_kind,
        "processor": platform.processor() or platform.machine(),
        "versions": versions(),
        "clock": _CLOCK.value,
        "GFLOP/s of a product": roof.flops / 1e9,
        "GB/s of x + y / 2": roof.bytes / 1e9,
        "rows": {},
    }
    for title, (ours, others) in rows.items():
        report["rows"][title] = compared(ours, others, roof)
        print(title, report["rows"][title], file=sys.stderr, flush=True)
    print(table(report["rows"]))
    roofs = [f"{report[k]:.1f} {k}" for k in report if k.startswith("G")]
    print(f"\nRoofline: {', '.join(roofs)}; {report['clock']} seconds")
    if _OUT.value:
        Path(_OUT.value).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
