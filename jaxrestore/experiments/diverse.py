"""Samples for small faces: quality, consistency, diversity, time (tables 6.2 and 6.3).

  python -m jaxrestore.experiments diverse --images=DIR --val=DIR --out=DIR

y is the antialiased bicubic reduction of each image, without noise, by the factor of
each of --encoders. Compared are bicubic enlargement, PnP-HVAE on the same y (told a
noise of 1/255, its settings chosen on --val from constant ones and those tuned for the
prior, with their schedule; --no-pnp leaves it away), single samples
of CVDVAE at each of --temperatures, and the mean of --samples of them. Samples are
projected onto H x = y; LR-PSNR is given before and after that, unclipped. APD is the
mean squared error between pairs of --apd_samples, times 10,000; --lpips=FILE adds LPIPS
to the original and between pairs, the latter times 1,000. "s" is the seconds for
one sample, drawn in batches. BRISQUE is meant for photographs: on 64 x 64 faces it
orders methods, no more. diverse_strip.png shows one face at rising temperatures.
"""

import itertools
import time
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.evaluation.harness import observe, scorer, starting_image
from jaxrestore.evaluation.inputs import (
    encoders_for,
    prior_and_images,
    validation_images,
)
from jaxrestore.evaluation.pictures import columns, draw
from jaxrestore.evaluation.tables import SCORES, of, table
from jaxrestore.experiments import settings as kinds
from jaxrestore.experiments.comparison import Problem, pnp_hvae
from jaxrestore.experiments.consistency import BUNDLED
from jaxrestore.likelihoods import GaussianNoise
from jaxrestore.metrics import (
    average_pairwise_distance,
    brisque,
    load_lpips,
    lr_psnr,
    mse,
)
from jaxrestore.report.sheets import sheet
from jaxrestore.settings import count, flag, number, sequence, setting, text
from jaxrestore.solvers import DiverseSR, sample
from jaxrestore.solvers.presets import preset

QUICK = {"max_images": 1, "samples": 2, "apd_samples": 2, "pnp": False}
_NOISE = 1 / 255  # what PnP-HVAE is told
_STRIP = (0.1, 0.4, 0.6, 0.8, 1.0)
_TABLE = SCORES | {
    "BRISQUE": of("brisque", ".1f"),
    "LR-PSNR before": of("lr_psnr_unprojected", ".1f"),
    "after": of("lr_psnr", ".1f"),
    "worst after": of("lr_psnr_worst", ".1f"),
    "APD 1e4": of("apd", ".1f"),
    "APD-LPIPS 1e3": of("apd_lpips", ".1f"),
    "s": of("seconds", ".4f"),
}


@kinds.configured(
    prior="vdvae-faces64", max_images=200, val_images=12, val_crop=0, batch=20, shown=2
)
class Config(kinds.Pictures, kinds.Validated):
    encoders: tuple = setting(BUNDLED, sequence(text), "names or files")
    temperatures: tuple = setting((0.1, 0.8), kinds.taus, "of the samples")
    samples: int = setting(16, count(2), "of each image")
    apd_samples: int = setting(5, count(2), "of these, scored singly")
    pnp: bool = setting(True, flag, "also PnP-HVAE; --no-pnp: without it")
    pnp_temperatures: tuple = setting((0.4, 0.6, 0.8, 0.9), kinds.taus, "of PnP-HVAE")
    decoder_stds: tuple = setting(
        kinds.of_255(5, 10, 20), kinds.levels, "of PnP-HVAE, of 255"
    )
    steps: int = setting(100, count(), "PnP-HVAE iterations")
    tolerance: float = setting(1e-3, number(0), "of PnP-HVAE")

    required = ("images", "out")


def run(config: Config, report) -> None:
    """Draw samples, score, tabulate."""
    if config.samples < config.apd_samples:
        raise InputError(
            f"--apd_samples={config.apd_samples}: expected 2 to --samples"
            f"={config.samples}"
        )
    if config.pnp and not config.val:
        raise InputError("--val: missing, PnP-HVAE is tuned on it; or say --no-pnp")
    prior, images = prior_and_images(config)
    encoders, score = encoders_for(prior, config.encoders), scorer(config.lpips)
    distances: dict[str, Any] = {"apd": (1e4, Partial(mse))}
    if config.lpips:
        distances["apd_lpips"] = 1e3, load_lpips(config.lpips)
    if not encoders:
        raise InputError("--encoders: expected one at least")
    rows, drawn, chosen = [], [], {}
    draw_key, strip_key = jax.random.split(jax.random.key(config.seed))
    for factor, encoder in tqdm(encoders.items(), desc="factors", disable=None):
        seen, head = reduced(strip_key, encoder.config.operator(), images), f"x{factor}"
        key = jax.random.fold_in(draw_key, factor)
        results, chosen[head] = _solve(config, prior, encoder, seen, key)
        for method, found in results.items():
            scored = _score(found, images, seen, config.apd_samples, score, distances)
            rows += [{"factor": head, "method": method} | row for row in scored]
        report.rows(rows)
        shown: dict[str, tuple] = {}
        for method, (found, *_) in results.items():
            shown[method] = ([of_image[0] for of_image in found],)
            if method.startswith("sample"):
                another = [of_image[1] for of_image in found]
                shown[f"another, {method[8:]}"] = (another,)
        drawn += columns(head, seen, shown, images, config.shown)
    draw(report.picture, drawn)
    _strip(report.file("_strip.png"), prior, encoders, images, strip_key)
    scored = f"{config.apd_samples} samples scored"
    caption = f"{len(images)} images, prior {config.prior}, {scored}"
    report.table(caption, table(rows, ["factor", "method"], _TABLE), chosen)


def reduced(key: jax.Array, operator, images) -> list:
    """Observations without noise, of which PnP-HVAE is told that there is some."""
    told = GaussianNoise(jnp.float32(_NOISE))
    exact = observe(key, images.values(), [operator] * len(images), 0.0)
    return [replace(observation, noise=told) for observation in exact]


def _solve(config, prior, encoder, seen, key) -> tuple[dict[str, Any], dict]:
    """method -> ((images, N, H, W, C), the same before projection, seconds a draw)."""
    bicubic = [np.asarray(starting_image(o))[None] for o in seen]
    results: dict[str, Any] = {"bicubic": (bicubic, bicubic, 0.0)}
    chosen = {}
    if config.pnp:
        points = itertools.product(config.pnp_temperatures, config.decoder_stds)
        grid = [{"temperature": tau, "decoder_std": std} for tau, std in points]
        task = "downsample", _NOISE
        grid += [preset("pnp_hvae", config.prior, *task, None, config.steps).settings]
        method = pnp_hvae(config, None, prior)._replace(grid=lambda problem: grid)
        operator, val = encoder.config.operator(), validation_images(config, prior)
        cases = [(reduced(key, operator, val), val.values())]
        label = f"x{operator.factor}"
        problem = Problem(label, *task, lambda *_: {})
        chosen = method.choose(cases, problem, config.batch)
        runs, seconds = method.solve(seen, chosen, config.batch)
        found = [run.image[None] for run in runs]
        results["PnP-HVAE"] = found, found, seconds / len(seen)
    for tau in config.temperatures:
        sampler = DiverseSR(prior, encoder, temperature=tau)
        drawn, seconds = sample_all(sampler, seen, key, config.samples)
        results[f"sample, {tau:g}"] = *drawn, seconds
        means = [part.mean(1, keepdims=True) for part in drawn]
        results[f"mean of {config.samples}, {tau:g}"] = *means, seconds * config.samples
    return results, chosen


def sample_all(method: DiverseSR, seen, key: jax.Array, count: int):
    """((images, N, H, W, C) projected, the same before it), seconds for one sample.

    Every temperature gets the same draws of a key.
    """
    method = method.validate(seen[0])
    program = _drawn.lower(method, seen[0], key, count=count).compile()
    jax.block_until_ready(program(method, seen[0], key))
    begin, found = time.perf_counter(), []
    text = f"tau {float(np.max(method.temperature)):g}"
    for i, observation in enumerate(tqdm(seen, desc=text, disable=None)):
        own = jax.random.fold_in(key, i)
        found.append(jax.device_get(program(method, observation, own)))
    seconds = (time.perf_counter() - begin) / (len(seen) * count)
    return [np.stack(part) for part in zip(*found, strict=True)], seconds


@partial(jax.jit, static_argnames="count")
def _drawn(method, observation, key, *, count: int):
    raw = replace(method, project=False)
    samples = sample(raw, observation, key=key, n_samples=count).samples
    project = partial(observation.operator.project, observation.y)
    return jax.vmap(project)(samples), samples


def _score(found, images, seen, scored: int, score, distances) -> list[dict]:
    """A row for each image; of several samples, the mean of their scores.

    Args:
        distances: column -> factor and distance, of pairs of samples.
    """
    projected, before, seconds = found
    apart, rows = jax.jit(average_pairwise_distance), []
    for name, clean, own, raw, y in zip(
        images, images.values(), projected, before, seen, strict=True
    ):
        own, raw = own[:scored], raw[:scored]
        after = [_consistency(x, y) for x in own]
        singles = [score(x, clean) | {"brisque": float(brisque(x))} for x in own]
        means = {key: float(np.mean([s[key] for s in singles])) for key in singles[0]}
        rows.append(
            {
                "image": name,
                **means,
                "lr_psnr": float(np.mean(after)),
                "lr_psnr_unprojected": float(
                    np.mean([_consistency(x, y) for x in raw])
                ),
                "lr_psnr_worst": min(after),
                **{
                    name: factor * float(apart(own, distance)) if len(own) > 1 else 0.0
                    for name, (factor, distance) in distances.items()
                },
                "seconds": seconds,
            }
        )
    return rows


def _consistency(image, observation) -> float:
    """LR-PSNR in dB; float32 resolves no more than 160."""
    return min(float(lr_psnr(image, observation.y, observation.operator)), 160.0)


def _strip(path, prior, encoders, images, key: jax.Array) -> None:
    """One face, one draw at rising temperatures, for every factor (figure 6.8)."""
    first = dict(list(images.items())[:1])
    clean, rows = next(iter(first.values())), []
    for encoder in encoders.values():
        (seen,) = reduced(key, encoder.config.operator(), first)
        methods = [DiverseSR(prior, encoder, temperature=tau) for tau in _STRIP]
        draws = [sample(method, seen, key=key, n_samples=1).mean for method in methods]
        rows.append([*map(np.asarray, draws), clean])
    labels = [f"x{factor}" for factor in encoders]
    sheet(path, rows, labels, [*(f"tau {tau:g}" for tau in _STRIP), "original"])
