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

import jax.numpy as jnp
import numpy as np
from matplotlib.ticker import NullFormatter
from tqdm import tqdm

from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.inputs import hierarchical_prior, images_for
from jaxrestore.experiments.methods import observe, solve_adam, solve_pnp
from jaxrestore.experiments.scoring import scorer
from jaxrestore.experiments.settings import add_settings, chosen_for, kernel_of
from jaxrestore.experiments.tables import markdown, mean
from jaxrestore.operators import Blur
from jaxrestore.report.charts import chart, label

QUICK = {"max_images": 2, "crop": 32, "steps": 3, "adam_steps": 4, "rates": [0.01]}
_SCORES = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "objective": "J1",
    "evaluations": "evaluations",
    "gradients": "gradients",
    "seconds": "seconds",
    "steps": "steps",
}
_FORMS = {"psnr": ".2f", "ssim": ".3f", "lpips": ".3f", "objective": ".4f"}


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add_settings(parser)
    add = parser.add_argument
    add("--noise", type=kinds.number, default=7.65, help="of 255")
    add("--steps", type=kinds.count, default=50, help="of PnP-HVAE")
    add("--tolerance", type=kinds.number, default=0.0, help="of PnP-HVAE")
    add("--rates", type=kinds.numbers, default=[0.01, 0.001], help="of Adam")
    add("--adam_steps", type=kinds.count, default=500, help="of Adam")
    add("--adam_tolerance", type=kinds.number, default=0.0, help="of Adam")
    add("--lpips", help="LPIPS weights, as jaxrestore.convert writes them")


def run(flags, report) -> None:
    """Solve, draw, tabulate."""
    flags.batch, score = 1, scorer(flags.lpips)
    prior = hierarchical_prior(flags.prior, "convergence")
    images = images_for(prior, flags)
    kernel = kernel_of(flags, images)
    operators = [Blur(jnp.asarray(kernel))] * len(images)
    observations = observe(images.values(), operators, flags.noise, flags.seed)
    chosen = chosen_for("blur", flags.noise, flags)
    rows, curves = [], {}
    for method, solved in _solutions(prior, observations, chosen, flags):
        for (name, clean), run_ in zip(images.items(), solved.runs, strict=True):
            for kind, image in _images(method, run_).items():
                row = _row(name, kind, run_, solved.seconds / len(images))
                rows.append(row | score(image, clean))
        curves[method] = solved.runs[0].history
        report.rows(rows)
    name, clean = next(iter(images.items()))
    for history in curves.values():  # nats per value, as in the table
        history["objective"] = history["objective"] / clean.size
    _draw(report.picture, curves, flags, name)
    report.table(_table(rows, flags), {**chosen, "groups": prior.num_groups})


def _solutions(prior, observations, chosen, flags):
    """Pairs (method, Solved), one after the other."""
    yield "PnP-HVAE", solve_pnp(prior, observations, chosen, flags, history=True)
    for rate in tqdm(flags.rates, desc="Adam", disable=None):
        solved = solve_adam(prior, observations, chosen, rate, flags, history=True)
        yield f"Adam, {rate:g}", solved


def _images(method: str, run_) -> dict:
    """What each method's publication scores, and the other image."""
    return {f"{method} (mean)": run_.mean, f"{method} (image)": run_.image}


def _row(name: str, method: str, run_, seconds: float) -> dict:
    steps = int(run_.steps)
    values = run_.history["objective"][:steps] / run_.image.size
    return {
        "image": name,
        "method": method,
        "objective": float(values[-1]) if steps else float("nan"),
        "evaluations": int(run_.evaluations),
        "gradients": int(run_.gradients),
        "seconds": seconds,
        "steps": steps,
        "status": int(run_.status),
    }


def _table(rows, flags) -> str:
    known = {k: title for k, title in _SCORES.items() if k in rows[0]}
    body = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        cells = (f"{mean(own, k):{_FORMS.get(k, '.4g')}}" for k in known)
        body.append([method, *cells])
    count = len({row["image"] for row in rows})
    caption = f"{count} images, blur, noise {flags.noise:g}/255; means"
    return f"{caption}\n\n{markdown(['method', *known.values()], body)}"


def _draw(path, curves, flags, name: str) -> None:
    with chart(path, 2, f"deblurring {name}, {flags.prior}") as (left, right):
        for method, history in curves.items():
            for ax, key in ((left, "objective"), (right, "contraction")):
                values = np.asarray(history[key], np.float64)
                ax.plot(1 + np.arange(len(values)), values, label=method, linewidth=1)
        for ax in (left, right):
            ax.set_xscale("log")
            ax.xaxis.set_minor_formatter(NullFormatter())
        # Adam's first steps would hide where the methods end.
        last = [h["objective"][np.isfinite(h["objective"])] for h in curves.values()]
        low, high = min(v.min() for v in last), max(v[len(v) // 10] for v in last)
        margin = 0.05 * max(high - low, 1e-6 * abs(low))
        left.set_ylim(low - margin, high + margin)
        label(left, "objective", "step", "J1 (nats per value)")
        label(right, "contraction ratio", "step", "||x(k+1)-x(k)|| / ||x(k)-x(k-1)||")
        right.axhline(1, color="black", linestyle="--", linewidth=0.8)
        right.set_ylim(0, 2)
