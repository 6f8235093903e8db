"""Temperatures chosen from the observation alone, against the best fixed one.

  python -m jaxrestore.experiments auto_temperature --images=DIR --kernels=DIR --out=DIR

Deblurs every image behind every kernel at every noise level by PnP-HVAE, at each of the
temperatures that temperature="auto" chooses from. "best fixed" is the one of them with
the highest mean PSNR for a noise level, chosen with the originals at hand; "best each"
has it chosen for each image. SURE and the discrepancy principle see the observation
alone (docs/pnp_hvae.md). Scored is the decoder mean; the other settings are those tuned
for the prior.
"""

from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.inputs import hierarchical_prior, read_kernels, test_images
from jaxrestore.evaluation.scoring import scores
from jaxrestore.evaluation.tables import markdown
from jaxrestore.experiments.deblurring import blurred
from jaxrestore.experiments.settings import (
    PnPConfig,
    label,
    levels,
    of_255,
    pnp_settings,
)
from jaxrestore.report import charts
from jaxrestore.settings import sequence, setting, text
from jaxrestore.solvers import Problem, SelectTemperature, Stopping, create
from jaxrestore.solvers.selection import CANDIDATES, CRITERIA

QUICK = {
    "max_images": 1,
    "crop": 32,
    "steps": 2,
    "noise": of_255(7.65),
    "ids": ("gaussian",),
}


@dataclass(frozen=True)
class Config(PnPConfig):
    kernels: str = setting("", text, "folder of kernels, .npy files")
    ids: tuple = setting(
        (), sequence(text, 0), "their numbers; with a folder 4,7,9,11 if not given"
    )
    noise: tuple = setting(of_255(2.55, 7.65, 12.75), levels, "levels, of 255")


def run(config: Config, report) -> None:
    """Solve at every candidate, score, compare the choices."""
    prior = hierarchical_prior(config.prior, "auto_temperature")
    images = test_images(prior, config)
    kernels = read_kernels(config.kernels, config.ids)
    keys = jax.random.split(jax.random.key(config.seed), (len(config.noise), 2))
    rows, settings = [], {}
    for noise, (noise_key, sure_key) in zip(config.noise, keys, strict=True):
        chosen = settings[label(noise)] = pnp_settings(config, report, "blur", noise)
        del chosen["temperature"]
        method = SelectTemperature(create("pnp_hvae", chosen, prior))
        for kernel, seen in blurred(kernels, noise, images, noise_key).items():
            about = f"noise {label(noise)}, kernel {kernel}"
            cases = list(zip(images.items(), seen, strict=True))
            for (image, clean), observation in tqdm(cases, desc=about, disable=None):
                facts = {"noise": label(noise), "kernel": kernel, "image": image}
                key = jax.random.fold_in(sure_key, len(rows))
                found = _attempts(config, method, observation, clean, key)
                rows += [facts | row for row in found]
            report.rows(rows)
    summary = {noise: summarise(rows, noise) for noise in settings}
    _draw(report.picture, summary)
    report.table(_table(summary, len(images)), settings)


def _attempts(config: Config, method, observation, clean, key) -> list[dict]:
    """A row for every candidate: its PSNR, and what both criteria say of it."""
    method, stopping = method.validate(observation), Stopping(config.tolerance)
    means, found = _solved(
        method, observation, stopping.validate(), key, max_steps=config.steps
    )
    return [
        {
            "temperature": float(tau),
            "psnr": scores(mean, clean)["psnr"],
            **{name: float(found[name][i]) for name in CRITERIA},
        }
        for i, (tau, mean) in enumerate(zip(CANDIDATES, means, strict=True))
    ]


@partial(jax.jit, static_argnames="max_steps")
def _solved(method, observation, stopping, key, *, max_steps):
    problem = Problem(observation, observation.initial_image(), max_steps, key)
    results, found = method.attempts(problem, stopping, criteria=CRITERIA)
    return results.mean, found


def summarise(rows, noise: str) -> dict[str, float]:
    """Mean PSNR of each way to choose, at a noise level, and the mean of each tau."""
    own = [row for row in rows if row["noise"] == noise]
    taus = list(dict.fromkeys(row["temperature"] for row in own))
    psnr = _by_problem(own, "psnr", len(taus))
    fixed = psnr.mean(0)
    pairs = zip(taus, fixed.tolist(), strict=True)
    result = {f"tau {tau:g}": mean for tau, mean in pairs}
    result["best fixed"] = float(fixed.max())
    result["best each"] = float(psnr.max(1).mean())
    for name in CRITERIA:
        chosen = np.argmin(_by_problem(own, name, len(taus)), axis=1)
        result[name] = float(psnr[np.arange(len(psnr)), chosen].mean())
        result[_chosen(name)] = float(np.mean(np.asarray(taus)[chosen]))
    return result


def _by_problem(rows, key: str, count: int) -> np.ndarray:
    return np.array([row[key] for row in rows]).reshape(-1, count)


def _table(summary, count: int) -> str:
    means = {_chosen(name) for name in CRITERIA}
    names = [name for name in next(iter(summary.values())) if name not in means]
    body = [
        [name, *(f"{of[name]:.2f}" + _behind(of, name) for of in summary.values())]
        for name in names
    ]
    caption = (
        f"{count} images, mean PSNR (dB) of the decoder mean over images and kernels;"
        " in brackets what is lost against the best fixed temperature, and the mean"
        " temperature chosen"
    )
    head = ["temperature", *(f"noise {noise}" for noise in summary)]
    return f"{caption}\n\n{markdown(head, body)}"


def _behind(of, name: str) -> str:
    if name not in CRITERIA:
        return ""
    return f" ({of[name] - of['best fixed']:+.2f}; {of[_chosen(name)]:.2f})"


def _chosen(name: str) -> str:
    return f"mean temperature of {name}"


def _draw(path, summary) -> None:
    with charts.chart(path, 1, "choosing the temperature") as (ax,):
        for noise, of in summary.items():
            taus = [key for key in of if key.startswith("tau ")]
            values = [of[key] for key in taus]
            at = [float(key[4:]) for key in taus]
            (line,) = ax.plot(at, values, ".-", label=f"noise {noise}/255")
            for name, mark in zip(CRITERIA, ("o", "s"), strict=True):
                kwargs = {"color": line.get_color(), "fillstyle": "none"}
                ax.plot(of[_chosen(name)], of[name], mark, **kwargs)
        text = "circles: SURE; squares: discrepancy"
        charts.label(ax, text, "temperature", "PSNR (dB)")
