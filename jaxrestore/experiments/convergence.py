"""PnP-HVAE against Adam on the same objective J1 (thesis, figure 5.3, table 5.1).

  python -m jaxrestore.experiments convergence --images=DIR --out=DIR

Deblurs every image by PnP-HVAE and by Adam on all of x and z at each learning rate of
--rates: same observation, prior, starting image, temperature and decoder deviation, so
the same J1(x, z), eq. (5.18). The picture shows J1 and the contraction ratio of the
iterates of the first image. The table's seconds leave compilation out; J1 is the mean
of the last values, in nats per pixel value; evaluations and gradients count forward and
backward passes through the network. No method stops early unless --tolerance (of
PnP-HVAE) or --adam_tolerance says so.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from matplotlib.ticker import NullFormatter
from tqdm import tqdm

from jaxrestore.evaluation.harness import observe
from jaxrestore.evaluation.inputs import blurs, hierarchical_prior, test_images
from jaxrestore.evaluation.scoring import scorer
from jaxrestore.evaluation.tables import mean_table
from jaxrestore.experiments.comparison import adam, pnp_hvae
from jaxrestore.experiments.settings import (
    KernelConfig,
    Level,
    defaults,
    label,
    level,
    pnp_settings,
)
from jaxrestore.report import charts
from jaxrestore.settings import count, number, sequence, setting, text

QUICK = {"max_images": 2, "crop": 32, "steps": 3, "adam_steps": 4, "rates": (0.01,)}
_FORMS = {"psnr": ".2f", "ssim": ".3f", "lpips": ".3f", "objective": ".4f"}
_FORMS |= dict.fromkeys(("evaluations", "gradients", "seconds", "steps"), ".4g")
_NAMES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "lpips": "LPIPS", "objective": "J1"}


@defaults(tolerance=0.0)
@dataclass(frozen=True)
class Config(KernelConfig):
    temperature: Any = setting(
        None, number(0, 1, above=True, none=True), "in (0, 1]; without: as tuned"
    )
    noise: float = setting(Level(7.65 / 255), level(), "of 255")
    rates: tuple = setting((0.01, 0.001), sequence(number(0, above=True), 0), "of Adam")
    adam_steps: int = setting(500, count(), "of Adam")
    adam_tolerance: float = setting(0.0, number(0), "of Adam")
    lpips: str = setting("", text, "LPIPS weights, as jaxrestore.convert writes them")


def run(config: Config, report) -> None:
    """Solve, draw, tabulate."""
    score, prior = scorer(config.lpips), hierarchical_prior(config.prior, "convergence")
    images = test_images(prior, config)
    operators = blurs(config.kernel, images, "--kernel")
    key = jax.random.key(config.seed)
    observations = observe(key, images.values(), operators, config.noise)
    chosen = pnp_settings(config, report, "blur", config.noise)
    rows, curves = [], {}
    entries = [pnp_hvae(config, report, prior, history=True)]
    entries += [adam(config, prior, rate, history=True) for rate in config.rates]
    for entry in tqdm(entries, desc="methods", disable=None):
        solved, method = entry.solve(observations, chosen, config.batch), entry.name
        for (name, clean), one in zip(images.items(), solved.runs, strict=True):
            facts = _facts(one) | {"seconds": solved.seconds / len(images)}
            # What each method's publication scores, and the other image.
            for kind in ("mean", "image"):
                row = {"image": name, "method": f"{method} ({kind})", **facts}
                rows.append(row | score(getattr(one, kind), clean))
        curves[method] = _curves(solved.runs[0])
        report.rows(rows)
    _draw(report.picture, curves, f"deblurring {next(iter(images))}, {config.prior}")
    caption = f"{len(images)} images, blur, noise {label(config.noise)}/255; means"
    table = mean_table(rows, ["method"], _FORMS, _NAMES)
    settings = {**chosen, "groups": prior.num_groups}
    report.table(f"{caption}\n\n{table}", settings)


def _curves(one) -> dict[str, np.ndarray]:
    """J1 in nats per value, as in the table, and the contraction ratio."""
    steps = int(one.steps)
    objective = one.history["objective"][:steps] / one.image.size
    return {"objective": objective, "contraction": one.history["contraction"][:steps]}


def _facts(one) -> dict[str, Any]:
    last = _curves(one)["objective"][-1:]
    return {
        "objective": float(last[0]) if len(last) else float("nan"),
        "evaluations": int(one.evaluations),
        "gradients": int(one.gradients),
        "steps": int(one.steps),
        "status": int(one.status),
    }


def _draw(path, curves, title: str) -> None:
    with charts.chart(path, 2, title) as axes:
        for method, history in curves.items():
            for ax, values in zip(axes, history.values(), strict=True):
                ax.plot(1 + np.arange(len(values)), values, label=method, linewidth=1)
        for ax in axes:
            ax.set_xscale("log")
            ax.xaxis.set_minor_formatter(NullFormatter())
        left, right = axes
        # Adam's first steps would hide where the methods end.
        values = [np.asarray(of["objective"], np.float64) for of in curves.values()]
        low, high = min(v.min() for v in values), max(v[len(v) // 10] for v in values)
        margin = 0.05 * max(high - low, 1e-6 * abs(low))
        left.set_ylim(low - margin, high + margin)
        charts.label(left, "objective", "step", "J1 (nats per value)")
        ratio = "||x(k+1)-x(k)|| / ||x(k)-x(k-1)||"
        charts.label(right, "contraction ratio", "step", ratio)
        right.axhline(1, color="black", linestyle="--", linewidth=0.8)
        right.set_ylim(0, 2)
