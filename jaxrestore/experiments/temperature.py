"""PSNR against the temperature, by noise level (thesis, figure 5.9).

  python -m jaxrestore.experiments temperature --images=DIR --out=DIR

Deblurs every image by PnP-HVAE at each temperature and noise level; the other settings
are those of solve.py unless flags say otherwise. The best temperature of a noise level
is the one with the highest mean PSNR of the decoder mean, that is, with the ground
truth at hand.
"""

import itertools

import jax.numpy as jnp
from tqdm import tqdm

from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.inputs import hierarchical_prior, images_for
from jaxrestore.experiments.methods import observe, solve_pnp
from jaxrestore.experiments.scoring import scores
from jaxrestore.experiments.settings import add_settings, chosen_for, kernel_of
from jaxrestore.experiments.tables import markdown, mean
from jaxrestore.operators import Blur
from jaxrestore.report.charts import chart, label

QUICK = {"max_images": 2, "crop": 32, "steps": 2, "temperatures": [0.5, 0.9]}
_TAUS = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99]


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add_settings(parser, temperature=False)
    add = parser.add_argument
    add("--noise", type=kinds.numbers, default=[2.55, 7.65, 12.75], help="of 255")
    add("--temperatures", type=kinds.temperatures, default=_TAUS, help="to compare")
    add("--steps", type=kinds.count, default=50, help="iterations at most")
    add("--tolerance", type=kinds.number, default=2e-3, help="as in solve.py")
    add("--batch", type=kinds.count, default=1, help="images solved together")


def run(flags, report) -> None:
    """Solve, draw, tabulate."""
    prior = hierarchical_prior(flags.prior, "temperature")
    images = images_for(prior, flags)
    operators = [Blur(jnp.asarray(kernel_of(flags, images)))] * len(images)
    rows, settings = [], {}
    cases = list(itertools.product(flags.noise, sorted(set(flags.temperatures))))
    for noise, tau in tqdm(cases, desc="cases", disable=None):
        observations = observe(images.values(), operators, noise, flags.seed)
        settings[noise] = chosen_for("blur", noise, flags)
        chosen = settings[noise] | {"temperature": tau}
        solved = solve_pnp(prior, observations, chosen, flags)
        for (name, clean), one in zip(images.items(), solved.runs, strict=True):
            row = {"noise": noise, "temperature": tau, "image": name}
            row |= scores(one.mean, clean)
            rows.append(row | {"steps": int(one.steps), "status": int(one.status)})
        report.rows(rows)
    means = means_of(rows)
    _draw(report.picture, means, flags, len(images))
    for setting in settings.values():
        del setting["temperature"]
    report.table(_table(means, len(images)), {"by noise level": settings})


def means_of(rows) -> dict[float, dict[float, tuple[float, float]]]:
    """Mean PSNR and SSIM by noise level and temperature."""
    result: dict = {}
    for noise, tau in dict.fromkeys((r["noise"], r["temperature"]) for r in rows):
        own = [r for r in rows if (r["noise"], r["temperature"]) == (noise, tau)]
        result.setdefault(noise, {})[tau] = mean(own, "psnr"), mean(own, "ssim")
    return result


def best(by_temperature: dict[float, tuple[float, float]]) -> float:
    """The temperature with the highest mean PSNR."""
    return max(by_temperature, key=lambda tau: by_temperature[tau][0])


def _table(means, count: int) -> str:
    taus = list(next(iter(means.values())))
    body = []
    for noise, values in means.items():
        cells = (f"{values[tau][0]:.2f} / {values[tau][1]:.3f}" for tau in taus)
        body.append([f"{noise:g}", *cells, f"**{best(values):g}**"])
    head = ["noise", *(f"tau {tau:g}" for tau in taus), "best tau"]
    caption = f"{count} images, blur, mean PSNR (dB) / SSIM of the decoder mean"
    return f"{caption}\n\n{markdown(head, body)}"


def _draw(path, means, flags, count: int) -> None:
    title = f"deblurring {count} images, {flags.prior}"
    with chart(path, 1, title) as (ax,):
        for noise, values in means.items():
            psnrs = [psnr for psnr, _ in values.values()]
            (line,) = ax.plot(list(values), psnrs, ".-", label=f"noise {noise:g}/255")
            at = best(values)
            ax.plot(at, values[at][0], "o", color=line.get_color(), fillstyle="none")
        label(ax, "the best is circled", "temperature", "mean PSNR (dB)")
