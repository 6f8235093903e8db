"""PnP-HVAE against Adam on the same objective J1 (thesis, figure 5.3, table 5.1).

  python -m jaxrestore.experiments convergence --images=DIR --out=DIR

Deblurs every image by PnP-HVAE and by Adam on all of x and z at each learning rate of
--rates: same observation, prior, starting image, temperature and decoder deviation, so
the same J1(x, z), eq. (5.18). The picture shows J1 and the contraction ratio of the
iterates of the first image. The table's seconds leave compilation out; J1 is the mean
of the last values, in nats per pixel value, "J1 rose" by how much at most in one step;
evaluations and gradients count forward and backward passes through the network. No
method stops early unless --tolerance (of PnP-HVAE) or --adam_tolerance says so.

--safe_steps=K adds JPMAP at the temperature of PnP-HVAE, whose J1 never rises: K steps,
which descend by --descent_steps of Adam in z where Algorithm 3 would raise J1. The
others then get as many passes through the network, forward and backward, as it took of
the image that took it most.
"""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.evaluation.harness import observe, outcome, score_all, scorer
from jaxrestore.evaluation.inputs import blurs, prior_and_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import SCORES, grouped, of, table
from jaxrestore.experiments import settings as kinds
from jaxrestore.experiments.comparison import Entry, adam, pnp_hvae
from jaxrestore.settings import count, number, setting, text
from jaxrestore.solvers import Stopping

QUICK = {"max_images": 2, "crop": 32, "steps": 3, "adam_steps": 4, "rates": (0.01,)}
_COUNTS = ("evaluations", "gradients", "seconds", "steps")
_COLUMNS = SCORES | {"J1": of("objective", ".4f")}
_COLUMNS |= {"J1 rose": of("largest_increase", ".1e", max)}
_COLUMNS |= {name: of(name, ".4g") for name in _COUNTS}


@kinds.configured(tolerance=0.0, adam_tolerance=0.0, rates=(0.01, 0.001))
class Config(kinds.KernelConfig, kinds.Adam):
    temperature: Any = setting(None, kinds.open_tau, "in (0, 1]; without: as tuned")
    noise: float = setting(kinds.Level(7.65 / 255), kinds.level(), "of 255")
    lpips: str = setting("", text, "LPIPS weights, as jaxrestore.convert writes them")
    safe_steps: int = setting(0, count(0), "of JPMAP; 0: without it")
    descent_steps: int = setting(20, count(), "of Adam within a step of JPMAP")
    descent_rate: float = setting(0.003, number(0, 1, above=True), "of that")


def run(config: Config, report) -> None:
    """Solve, draw, tabulate."""
    score, (prior, images) = scorer(config.lpips), prior_and_images(config)
    operators, key = blurs(images, config.kernel), jax.random.key(config.seed)
    seen = observe(key, images.values(), operators, config.noise)
    chosen = kinds.pnp_settings(config, report, "blur", config.noise)
    rows, steps = [], []

    def solve(entry: Entry) -> list:
        # What each method's publication scores, and the other image.
        results = entry.lines(seen, chosen, config.batch)
        rows.extend(score_all(results, images, score, _facts))
        *_, runs = next(iter(results.values()))
        steps.extend({"method": entry.name} | row for row in _steps(runs[0]))
        report.rows(rows)
        return runs

    limits = config
    if config.safe_steps:
        _check(config)
        runs = solve(_safe(config, prior))
        passes = max(int(run.evaluations + run.gradients) for run in runs)
        adam_steps = max((passes - 3) // 2, 1)  # two passes each, three at the start
        limits = replace(config, steps=passes - 1, adam_steps=adam_steps)
    entries = [pnp_hvae(limits, report, prior, history=True)]
    entries += [adam(limits, prior, rate, history=True) for rate in config.rates]
    for entry in tqdm(entries, desc="methods", disable=None):
        solve(entry)
    _draw(report.picture, steps, f"deblurring {next(iter(images))}, {config.prior}")
    noise = f"noise {kinds.label(config.noise)}/255"
    caption = f"{len(images)} images, blur, {noise}; means, PSNR in dB"
    settings = {**chosen, "groups": prior.num_groups}
    report.table(caption, table(rows, ["method"], _COLUMNS), settings)


def _check(config: Config) -> None:
    if config.schedule != "none":
        raise InputError(
            f"--schedule={config.schedule}: none goes with --safe_steps, since all"
            " methods descend on one objective; leave one of them out"
        )


def _safe(config: Config, prior) -> Entry:
    """JPMAP on the objective of the others."""
    fixed = {name: getattr(config, name) for name in ("descent_steps", "descent_rate")}
    limits = {"stopping": Stopping(0.0), "max_steps": config.safe_steps}
    first = "JPMAP", "jpmap", "jpmap", (prior,), lambda problem: [{}]
    return Entry(*first, limits | {"history": True}, fixed, ("mean", "image"))


def _steps(run) -> list[dict[str, float]]:
    """J1 in nats per value, as in the table, and the contraction ratio."""
    names = "objective", "contraction"
    j1, ratio = (run.history[name][: int(run.steps)].tolist() for name in names)
    return [
        {"step": step, "objective": value / run.image.size, "contraction": r}
        for step, (value, r) in enumerate(zip(j1, ratio, strict=True), 1)
    ]


def _facts(run) -> dict[str, Any]:
    values = [row["objective"] for row in _steps(run)] or [np.nan]
    rose = np.max(np.diff(values), initial=0.0)
    passes = {"evaluations": int(run.evaluations), "gradients": int(run.gradients)}
    found = {"objective": values[-1], "largest_increase": float(rose)}
    return {**found, **passes, **outcome(run)}


def _draw(path, steps, title: str) -> None:
    methods = grouped(steps, "method").values()
    values = [[row["objective"] for row in own] for own in methods]
    # Adam's first steps would hide where the methods end.
    low, high = min(map(min, values)), max(v[len(v) // 10] for v in values)
    margin = 0.05 * max(high - low, 1e-6 * abs(low))
    axis = {"xscale": "log", "ylim": (low - margin, high + margin)}
    labels = "objective", "J1 (nats per value)", "step"
    left = Panel(steps, "step", "objective", "method", *labels, axis=axis)
    axis = {"xscale": "log", "ylim": (0, 2)}
    labels = "contraction ratio", "||x(k+1)-x(k)|| / ||x(k)-x(k-1)||", "step"
    right = Panel(steps, "step", "contraction", "method", *labels, axis=axis, level=1)
    curves(path, title, left, right)
