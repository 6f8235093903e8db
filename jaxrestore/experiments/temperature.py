"""PSNR against the temperature, by noise level (thesis, figure 5.9).

  python -m jaxrestore.experiments temperature --images=DIR --out=DIR

Deblurs every image by PnP-HVAE at each temperature and noise level; the other settings
are those tuned for the prior unless flags say otherwise. The best temperature of a
noise level is the one with the highest mean PSNR of the decoder mean, that is, with the
ground truth at hand.
"""

import jax
from tqdm import tqdm

from jaxrestore.evaluation.harness import observe, score_all
from jaxrestore.evaluation.inputs import blurs, prior_and_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import SCORES, across, grouped, mean, table
from jaxrestore.experiments import settings as kinds
from jaxrestore.experiments.comparison import pnp_hvae
from jaxrestore.settings import setting

QUICK = {"max_images": 2, "crop": 32, "steps": 2, "temperatures": (0.5, 0.9)}
_TAUS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)


@kinds.configured()
class Config(kinds.KernelConfig):
    noise: tuple = setting(kinds.of_255(2.55, 7.65, 12.75), kinds.levels, "of 255")
    temperatures: tuple = setting(_TAUS, kinds.taus, "to compare")


def run(config: Config, report) -> None:
    """Solve, draw, tabulate."""
    prior, images = prior_and_images(config)
    operators = blurs(images, config.kernel)
    method, rows, settings = pnp_hvae(config, report, prior), [], {}
    keys = jax.random.split(jax.random.key(config.seed), len(config.noise))
    for noise, key in zip(config.noise, keys, strict=True):
        name, seen = kinds.label(noise), observe(key, images.values(), operators, noise)
        chosen = settings[name] = kinds.pnp_settings(config, report, "blur", noise)
        del chosen["temperature"]
        for tau in tqdm(sorted(set(config.temperatures)), name, disable=None):
            own = chosen | {"temperature": tau}
            runs, seconds = method.solve(seen, own, config.batch)
            results = {tau: ([run.mean for run in runs], seconds, runs)}
            scored = score_all(results, images, column="temperature")
            rows += [{"noise": name} | row for row in scored]
            report.rows(rows)
    best = {noise: _best(own) for (noise,), own in grouped(rows, "noise").items()}
    marks = {noise: [(*point, "o")] for noise, point in best.items()}
    axes = rows, "temperature", "psnr", "noise"
    labels = "the best is circled", "mean PSNR (dB)", "temperature", "noise {}/255"
    panel = Panel(*axes, *labels, ".-", marks=marks)
    title = f"deblurring {len(images)} images, {config.prior}"
    curves(report.picture, title, panel)
    columns = {
        **across(rows, "temperature", SCORES["PSNR"], SCORES["SSIM"]),
        "best tau": lambda own: f"**{_best(own)[0]:g}**",
    }
    caption = f"{len(images)} images, blur, mean PSNR (dB) / SSIM of the decoder mean"
    text = table(rows, ["noise"], columns)
    report.table(caption, text, {"by noise level": settings})


def _best(rows) -> tuple[float, float]:
    """The temperature with the highest mean PSNR, and that."""
    by = grouped(rows, "temperature").items()
    return max(((tau, mean(own, "psnr")) for (tau,), own in by), key=lambda p: p[1])
