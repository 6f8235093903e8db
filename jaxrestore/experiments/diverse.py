"""Samples for small faces: quality, consistency, diversity, time (tables 6.2 and 6.3).

  python -m jaxrestore.experiments diverse --images=DIR --val=DIR --out=DIR

y is the antialiased bicubic reduction of each image, without noise, by the factor of
each of --encoders. Compared are bicubic enlargement, PnP-HVAE on the same y (told a
noise of 1/255, its settings chosen on --val; --no-pnp leaves it away), single samples
of CVDVAE at each of --temperatures, and the mean of --samples of them. Samples are
projected onto H x = y; LR-PSNR is given before and after that, unclipped. APD is the
mean squared error between pairs of --apd_samples, times 10,000, and "s" the seconds for
one sample, drawn in batches. BRISQUE is meant for photographs: on 64 x 64 faces it
orders methods, no more. diverse_strip.png shows one face at rising temperatures.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore import InputError
from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.choices import tune_pnp
from jaxrestore.experiments.comparison import Problem, draw
from jaxrestore.experiments.inputs import (
    encoders_for,
    hierarchical_prior,
    images_for,
    validation_for,
)
from jaxrestore.experiments.methods import solve_pnp, starting_image
from jaxrestore.experiments.scoring import scorer
from jaxrestore.experiments.tables import markdown, mean
from jaxrestore.likelihoods import Observation
from jaxrestore.metrics import average_pairwise_distance, brisque, lr_psnr
from jaxrestore.report.sheets import sheet
from jaxrestore.solvers import diverse_sr

QUICK = {"max_images": 1, "samples": 2, "apd_samples": 2, "pnp": False}
_NOISE = 1.0  # of 255, what PnP-HVAE is told
_STRIP = (0.1, 0.4, 0.6, 0.8, 1.0)


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add = parser.add_argument
    bundled = [f"cvdvae-faces64-x{factor}" for factor in (2, 4, 8)]
    add("--encoders", type=kinds.words, default=bundled, help="names or files")
    taus = [0.1, 0.8]
    add("--temperatures", type=kinds.temperatures, default=taus, help="of the samples")
    add("--samples", type=kinds.count, default=16, help="of each image")
    add("--apd_samples", type=kinds.count, default=5, help="of these, scored singly")
    kinds.add_validation(parser, 12, 0, required=False)
    add("--pnp", action="store_true", default=True, help="also PnP-HVAE")
    add("--no-pnp", action="store_false", dest="pnp", help="without it")
    pnp = [0.4, 0.6, 0.8, 0.9]
    add("--pnp_temperatures", type=kinds.temperatures, default=pnp, help="of PnP-HVAE")
    add("--decoder_stds", type=kinds.numbers, default=[5.0, 10.0, 20.0], help="of 255")
    add("--steps", type=kinds.count, default=100, help="PnP-HVAE iterations")
    add("--tolerance", type=kinds.number, default=1e-3, help="of PnP-HVAE")
    add("--batch", type=kinds.count, default=20, help="images solved together")
    add("--lpips", help="LPIPS weights, as jaxrestore.convert writes them")
    add("--shown", type=kinds.count, default=2, help="images of each factor drawn")
    parser.set_defaults(prior="vdvae-faces64", max_images=200)


def run(flags, report) -> None:
    """Draw samples, score, tabulate."""
    if flags.apd_samples < 2 or flags.samples < flags.apd_samples:
        raise InputError(
            f"--apd_samples={flags.apd_samples}: expected 2 to --samples"
            f"={flags.samples}"
        )
    if flags.pnp and not flags.val:
        raise InputError("--val: missing, PnP-HVAE is tuned on it; or say --no-pnp")
    prior = hierarchical_prior(flags.prior, "diverse")
    encoders, images = encoders_for(prior, flags), images_for(prior, flags)
    if not encoders:
        raise InputError("--encoders: expected one at least")
    score, rows, drawn, chosen = scorer(flags.lpips), [], [], {}
    for factor, encoder in tqdm(encoders.items(), desc="factors", disable=None):
        results, chosen[f"x{factor}"] = _solve(prior, encoder, images, flags)
        seen = results.pop("observed")
        for method, of in results.items():
            rows += _score(f"x{factor}", method, of, images, seen, flags, score)
        report.rows(rows)
        for i, clean in enumerate(list(images.values())[: flags.shown]):
            drawn.append((f"x{factor}", _pictures(results, seen[i], i, clean)))
    draw(report.picture, drawn)
    _strip(report.file("_strip.png"), prior, encoders, images, flags)
    report.table(_table(rows, flags, len(images)), chosen)


def _solve(prior, encoder, images, flags) -> tuple[dict[str, Any], dict]:
    """method -> ((images, N, H, W, C), the same before projection, seconds a draw)."""
    operator = encoder.config.operator()
    seen = _reduced(operator, images)
    enlarged = [np.asarray(starting_image(o))[None] for o in seen]
    results: dict[str, Any] = {"observed": seen, "bicubic": (enlarged, enlarged, 0.0)}
    chosen = {}
    if flags.pnp:
        chosen = _tuned(prior, operator, flags)
        solved = solve_pnp(prior, seen, chosen, flags)
        found = [run.image[None] for run in solved.runs]
        results["PnP-HVAE"] = found, found, solved.seconds / len(images)
    for tau in flags.temperatures:
        drawn, seconds = sample_all(prior, encoder, seen, tau, flags)
        results[f"sample, {tau:g}"] = *drawn, seconds
        means = [part.mean(1, keepdims=True) for part in drawn]
        results[f"mean of {flags.samples}, {tau:g}"] = *means, seconds * flags.samples
    return results, chosen


def _reduced(operator, images) -> list[Observation]:
    reduce = jax.jit(operator.__call__)
    y = [reduce(jnp.asarray(image)) for image in images.values()]
    return [Observation(small, operator, _NOISE / 255) for small in y]


def _tuned(prior, operator, flags) -> dict:
    """PnP-HVAE's settings of best mean PSNR on the validation images."""
    val = validation_for(prior, flags)
    cases = [(_reduced(operator, val), val.values())]
    problem = Problem(f"x{operator.factor}", "downsample", _NOISE, lambda *_: {})
    grids = {"temperatures": flags.pnp_temperatures, "encoder_noises": None}
    settings = type(flags)(**vars(flags) | grids)
    return tune_pnp(prior, cases, problem, {"encoder_noise": None}, settings)


def sample_all(prior, encoder, seen, tau, flags):
    """((images, N, H, W, C) projected, the same before it), seconds for one sample."""

    def draw(prior, encoder, y, key):
        return diverse_sr(prior, encoder, y, key, flags.samples, tau)

    root = jax.random.key(flags.seed)
    arguments = prior, encoder, seen[0].y, root
    program = jax.jit(draw).lower(*arguments).compile()
    jax.block_until_ready(program(*arguments))
    start, found = time.perf_counter(), []
    for i, observation in enumerate(tqdm(seen, desc=f"tau {tau:g}", disable=None)):
        key = jax.random.fold_in(root, i)
        found.append(jax.device_get(program(prior, encoder, observation.y, key)))
    seconds = (time.perf_counter() - start) / (len(seen) * flags.samples)
    return [np.stack(part) for part in zip(*found, strict=True)], seconds


def _score(label, method, of, images, seen, flags, score) -> list[dict]:
    """A row for each image; of several samples, the mean of their scores."""
    projected, before, seconds = of
    distance = jax.jit(average_pairwise_distance)
    rows = []
    for i, (name, clean) in enumerate(images.items()):
        found = projected[i][: flags.apd_samples]
        singles = [
            score(x, clean)
            | {"brisque": float(brisque(x))}
            | {"lr_psnr": _consistency(x, seen[i])}
            for x in found
        ]
        row = {key: float(np.mean([s[key] for s in singles])) for key in singles[0]}
        raw = [_consistency(x, seen[i]) for x in before[i][: len(found)]]
        row["lr_psnr_unprojected"] = float(np.mean(raw))
        row["lr_psnr_worst"] = min(s["lr_psnr"] for s in singles)
        row["apd"] = 1e4 * float(distance(found)) if len(found) > 1 else 0.0
        row["seconds"] = seconds
        rows.append({"factor": label, "method": method, "image": name, **row})
    return rows


def _consistency(image, observation) -> float:
    """LR-PSNR in dB; float32 resolves no more than 160."""
    value = lr_psnr(image, observation.y, observation.operator)
    return min(float(value), 160.0)


def _table(rows, flags, count: int) -> str:
    columns = {"psnr": ".2f", "ssim": ".3f", "lpips": ".3f", "brisque": ".1f"}
    columns |= {"lr_psnr_unprojected": ".1f", "lr_psnr": ".1f", "lr_psnr_worst": ".1f"}
    columns |= {"apd": ".1f", "seconds": ".4f"}
    columns = {k: form for k, form in columns.items() if k in rows[0]}
    names = {"lr_psnr_unprojected": "LR-PSNR before", "lr_psnr": "after"}
    names |= {"lr_psnr_worst": "worst after", "apd": "APD 1e4", "seconds": "s"}
    names |= {"psnr": "PSNR", "ssim": "SSIM", "lpips": "LPIPS", "brisque": "BRISQUE"}
    body = []
    for label, method in dict.fromkeys((r["factor"], r["method"]) for r in rows):
        own = [r for r in rows if (r["factor"], r["method"]) == (label, method)]
        body.append(
            [label, method, *(f"{mean(own, k):{f}}" for k, f in columns.items())]
        )
    caption = f"{count} images, prior {flags.prior}, {flags.apd_samples} samples scored"
    return (
        f"{caption}\n\n{markdown(['', 'method', *(names[k] for k in columns)], body)}"
    )


def _pictures(results, observation, i: int, clean) -> dict[str, np.ndarray]:
    factor = clean.shape[0] // observation.y.shape[0]
    y = np.asarray(observation.y).repeat(factor, 0).repeat(factor, 1)
    rows = {"observed": y}
    for method, (found, *_) in results.items():
        count = 2 if method.startswith("sample") and len(found[i]) > 1 else 1
        for number in range(count):
            rows[method if number == 0 else f"another, {method[8:]}"] = found[i][number]
    return rows | {"clean": clean}


def _strip(path, prior, encoders, images, flags) -> None:
    """One face, one draw at rising temperatures, for every factor (figure 6.8)."""
    clean, rows = next(iter(images.values())), []
    key = jax.random.key(flags.seed)

    @jax.jit
    def draw(prior, encoder, y, tau):
        return diverse_sr(prior, encoder, y, key, 1, tau).samples[0]

    for encoder in encoders.values():
        y = encoder.config.operator()(jnp.asarray(clean))
        row = [np.asarray(draw(prior, encoder, y, jnp.float32(tau))) for tau in _STRIP]
        rows.append([*row, clean])
    labels = [f"x{factor}" for factor in encoders]
    sheet(path, rows, labels, [*(f"tau {tau:g}" for tau in _STRIP), "original"])
