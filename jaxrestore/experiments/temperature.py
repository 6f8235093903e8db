"""PSNR against the temperature, by noise level (thesis, figure 5.9).

  python -m jaxrestore.experiments temperature --images=DIR --out=DIR

Deblurs every image by PnP-HVAE at each temperature and noise level; the other settings
are those tuned for the prior unless flags say otherwise. The best temperature of a
noise level is the one with the highest mean PSNR of the decoder mean, that is, with the
ground truth at hand.
"""

from dataclasses import dataclass

import jax
from tqdm import tqdm

from jaxrestore.evaluation.harness import observe
from jaxrestore.evaluation.inputs import blurs, hierarchical_prior, test_images
from jaxrestore.evaluation.scoring import scores
from jaxrestore.evaluation.tables import grouped, markdown, mean, pivot
from jaxrestore.experiments.comparison import pnp_hvae
from jaxrestore.experiments.settings import (
    KernelConfig,
    label,
    levels,
    of_255,
    pnp_settings,
    taus,
)
from jaxrestore.report import charts
from jaxrestore.settings import setting

QUICK = {"max_images": 2, "crop": 32, "steps": 2, "temperatures": (0.5, 0.9)}
_TAUS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Config(KernelConfig):
    noise: tuple = setting(of_255(2.55, 7.65, 12.75), levels, "of 255")
    temperatures: tuple = setting(_TAUS, taus, "to compare")


def run(config: Config, report) -> None:
    """Solve, draw, tabulate."""
    prior = hierarchical_prior(config.prior, "temperature")
    images = test_images(prior, config)
    operators = blurs(config.kernel, images, "--kernel")
    method, rows, settings = pnp_hvae(config, report, prior), [], {}
    keys = jax.random.split(jax.random.key(config.seed), len(config.noise))
    for noise, key in zip(config.noise, keys, strict=True):
        name, seen = label(noise), observe(key, images.values(), operators, noise)
        chosen = settings[name] = pnp_settings(config, report, "blur", noise)
        del chosen["temperature"]
        for tau in tqdm(sorted(set(config.temperatures)), name, disable=None):
            runs = method.solve(seen, chosen | {"temperature": tau}, config.batch).runs
            for (image, clean), one in zip(images.items(), runs, strict=True):
                row = {"noise": name, "temperature": tau, "image": image}
                row |= scores(one.mean, clean)
                rows.append(row | {"steps": int(one.steps), "status": int(one.status)})
            report.rows(rows)
    _draw(report.picture, rows, f"deblurring {len(images)} images, {config.prior}")
    report.table(_table(rows, len(images)), {"by noise level": settings})


def _curves(rows) -> dict[str, dict[float, float]]:
    """Mean PSNR by noise level and temperature."""
    result: dict = {}
    for (noise, tau), own in grouped(rows, "noise", "temperature").items():
        result.setdefault(noise, {})[tau] = mean(own, "psnr")
    return result


def _table(rows, count: int) -> str:
    best = {noise: max(of, key=of.__getitem__) for noise, of in _curves(rows).items()}
    cells = pivot(rows, "noise", "temperature", {"psnr": ".2f", "ssim": ".3f"})
    body = [[n, *of.values(), f"**{best[n]:g}**"] for n, of in cells.items()]
    taus = next(iter(cells.values()))
    head = ["noise", *(f"tau {tau:g}" for tau in taus), "best tau"]
    caption = f"{count} images, blur, mean PSNR (dB) / SSIM of the decoder mean"
    return f"{caption}\n\n{markdown(head, body)}"


def _draw(path, rows, title: str) -> None:
    with charts.chart(path, 1, title) as (ax,):
        for noise, of in _curves(rows).items():
            name = f"noise {noise}/255"
            (line,) = ax.plot(list(of), list(of.values()), ".-", label=name)
            at = max(of, key=of.__getitem__)
            ax.plot(at, of[at], "o", color=line.get_color(), fillstyle="none")
        text = "the best is circled"
        charts.label(ax, text, "temperature", "mean PSNR (dB)")
