"""Temperatures chosen from the observation alone, against the best fixed one.

  python -m jaxrestore.experiments auto_temperature --images=DIR --kernels=DIR --out=DIR

Deblurs every image behind every kernel at every noise level by PnP-HVAE, at each of the
temperatures that temperature="auto" chooses from. "best fixed" is the one of them with
the highest mean PSNR for a noise level, chosen with the originals at hand; "best each"
has it chosen for each image. SURE and the discrepancy principle see the observation
alone (docs/pnp_hvae.md). Scored is the decoder mean; the other settings are those tuned
for the prior.
"""

from functools import partial

import jax
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.inputs import prior_and_images, read_kernels
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import grouped, markdown
from jaxrestore.experiments import settings as kinds
from jaxrestore.experiments.deblurring import blurred
from jaxrestore.metrics import psnr
from jaxrestore.solvers import Problem, Select, Stopping, create
from jaxrestore.solvers.selection import TEMPERATURES

CRITERIA = ("sure", "discrepancy")

QUICK = {
    "max_images": 1,
    "crop": 32,
    "steps": 2,
    "noise": kinds.of_255(7.65),
    "ids": ("gaussian",),
}


@kinds.configured()
class Config(kinds.PnPConfig, kinds.Kernels):
    pass


def run(config: Config, report) -> None:
    """Solve at every candidate, score, compare the choices."""
    prior, images = prior_and_images(config)
    kernels = read_kernels(config.kernels, config.ids)
    keys = jax.random.split(jax.random.key(config.seed), (len(config.noise), 2))
    stopping = Stopping(config.tolerance).validate()
    rows, settings = [], {}
    for noise, (noise_key, sure_key) in zip(config.noise, keys, strict=True):
        name = kinds.label(noise)
        chosen = settings[name] = kinds.pnp_settings(config, report, "blur", noise)
        del chosen["temperature"]
        method = Select(create("pnp_hvae", chosen, prior))
        for kernel, seen in blurred(kernels, noise, images, noise_key).items():
            cases = list(zip(images.items(), seen, strict=True))
            about = f"noise {name}, kernel {kernel}"
            for (image, clean), observation in tqdm(cases, desc=about, disable=None):
                facts = {"noise": name, "kernel": kernel, "image": image}
                key = jax.random.fold_in(sure_key, len(rows))
                given = method.validate(observation), observation, stopping, key
                found = _attempts(*given, clean, max_steps=config.steps)
                rows += [
                    {**facts, "temperature": tau}
                    | {name: float(found[name][i]) for name in ("psnr", *CRITERIA)}
                    for i, tau in enumerate(TEMPERATURES)
                ]
            report.rows(rows)
    summaries = {n: summarise(own) for (n,), own in grouped(rows, "noise").items()}
    styles = {"sure": "o", "discrepancy": "s"}
    marks = {
        noise: [(tau, means[name], styles[name]) for name, tau in taus.items()]
        for noise, (means, taus) in summaries.items()
    }
    axes = rows, "temperature", "psnr", "noise", "circles: SURE; squares: discrepancy"
    labels = "PSNR (dB)", "temperature", "noise {}/255"
    panel = Panel(*axes, *labels, ".-", marks=marks)
    curves(report.picture, "choosing the temperature", panel)
    caption = (
        f"{len(images)} images, mean PSNR (dB) of the decoder mean over images and"
        " kernels; in brackets what is lost against the best fixed temperature, and the"
        " mean temperature chosen"
    )
    head = ["temperature", *(f"noise {noise}" for noise in summaries)]
    cells = [_cells(*summary) for summary in summaries.values()]
    body = [[name, *(own[name] for own in cells)] for name in cells[0]]
    report.table(caption, markdown(head, body), settings)


@partial(jax.jit, static_argnames="max_steps")
def _attempts(method, observation, stopping, key, clean, *, max_steps):
    """Of every candidate: PSNR, and what both criteria say."""
    problem = Problem(observation, observation.initial_image(), max_steps, key)
    results, found = method.attempts(problem, stopping, criteria=CRITERIA)
    return {"psnr": jax.vmap(psnr, (0, None))(results.mean, clean), **found}


def summarise(rows) -> tuple[dict[str, float], dict[str, float]]:
    """Of a noise level: way to choose -> mean PSNR, criterion -> mean tau."""
    taus = [tau for (tau,) in grouped(rows, "temperature")]
    column = {
        key: np.array([row[key] for row in rows]).reshape(-1, len(taus))
        for key in ("psnr", *CRITERIA)
    }
    each, means = column["psnr"], column["psnr"].mean(0).tolist()
    result = {f"tau {tau:g}": mean for tau, mean in zip(taus, means, strict=True)}
    result |= {"best fixed": max(means), "best each": float(each.max(1).mean())}
    chosen = {name: np.argmin(column[name], axis=1) for name in CRITERIA}
    for name, at in chosen.items():
        result[name] = float(each[np.arange(len(each)), at].mean())
    return result, {n: float(np.mean(np.array(taus)[at])) for n, at in chosen.items()}


def _cells(of: dict[str, float], taus: dict[str, float]) -> dict[str, str]:
    """The column of a noise level."""
    cells = {name: f"{value:.2f}" for name, value in of.items()}
    for name, tau in taus.items():
        cells[name] += f" ({of[name] - of['best fixed']:+.2f}; {tau:.2f})"
    return cells
