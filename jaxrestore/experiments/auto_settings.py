"""Settings chosen from the observation alone, against the best fixed one.

  python -m jaxrestore.experiments auto_settings --images=DIR --kernels=DIR --out=DIR

Deblurs every image behind every kernel at every noise level by PnP-HVAE, with each
candidate that "auto" chooses from: decoder deviations over the tuned one, for the
tuned schedule, or with --chosen=temperature temperatures. "best fixed" is the one of
them with the highest mean PSNR for a noise level, chosen with the originals at hand;
"best each" has it chosen for each image. SURE and the discrepancy principle see the
observation alone (docs/pnp_hvae.md). Scored is the decoder mean; the other settings are
those tuned for the prior.
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
from jaxrestore.settings import choice, setting, text
from jaxrestore.solvers import Problem, Stopping, create, presets
from jaxrestore.solvers.presets import STEPS
from jaxrestore.solvers.selection import TEMPERATURES

CRITERIA = ("sure", "doubted", "discrepancy")
_MARKS = "circles: SURE, diamonds: with doubt, squares: discrepancy"

_AXES = {"schedule": "decoder deviation over the tuned", "temperature": "temperature"}

QUICK = {
    "max_images": 1,
    "crop": 32,
    "steps": 2,
    "noise": kinds.of_255(7.65),
    "ids": ("gaussian",),
}


@kinds.configured()
class Config(kinds.PnPConfig, kinds.Kernels):
    chosen: str = setting("schedule", choice("schedule", "temperature"), "which")
    schedule: str = setting("preset", text, "of PnP-HVAE, such as 5:8 | preset | none")


def run(config: Config, report) -> None:
    """Solve at every candidate, score, compare the choices."""
    prior, images = prior_and_images(config)
    kernels = read_kernels(config.kernels, config.ids)
    keys = jax.random.split(jax.random.key(config.seed), (len(config.noise), 2))
    rows, settings, candidates = [], {}, []
    for noise, (noise_key, sure_key) in zip(config.noise, keys, strict=True):
        name = kinds.label(noise)
        chosen = settings[name] = kinds.pnp_settings(config, report, "blur", noise)
        tuned = chosen.pop("tolerance", 2e-3)
        ends = tuned if config.tolerance is None else config.tolerance
        stopping = Stopping(ends).validate()
        plain = create("pnp_hvae", chosen, prior)
        candidates = TEMPERATURES if config.chosen == "temperature" else STEPS
        method = presets.selection(config.chosen, plain, "sure")
        for kernel, seen in blurred(kernels, noise, images, noise_key).items():
            cases = list(zip(images.items(), seen, strict=True))
            about = f"noise {name}, kernel {kernel}"
            for (image, clean), observation in tqdm(cases, desc=about, disable=None):
                facts = {"noise": name, "kernel": kernel, "image": image}
                key = jax.random.fold_in(sure_key, len(rows))
                given = method.validate(observation), observation, stopping, key
                found = _attempts(*given, clean, max_steps=config.steps)
                rows += [
                    {**facts, config.chosen: value}
                    | {name: float(found[name][i]) for name in ("psnr", *CRITERIA)}
                    for i, value in enumerate(candidates)
                ]
            report.rows(rows)
    summaries = {
        n: summarise(own, config.chosen) for (n,), own in grouped(rows, "noise").items()
    }
    styles = {"sure": "o", "doubted": "D", "discrepancy": "s"}
    marks = {
        noise: [(mean, values[name], styles[name]) for name, mean in means.items()]
        for noise, (values, means, _) in summaries.items()
    }
    axes = (
        rows,
        config.chosen,
        "psnr",
        "noise",
        _MARKS,
    )
    labels = "PSNR (dB)", _AXES[config.chosen], "noise {}/255"
    panel = Panel(*axes, *labels, ".-", marks=marks)
    curves(report.picture, f"choosing the {config.chosen}", panel)
    caption = (
        f"{len(images)} images, mean PSNR (dB) of the decoder mean over images and"
        f" kernels by {_AXES[config.chosen]}; in brackets against the best fixed one,"
        " mean and worst case, and the mean chosen"
    )
    head = [config.chosen, *(f"noise {noise}" for noise in summaries)]
    cells = [_cells(*summary) for summary in summaries.values()]
    body = [[name, *(own[name] for own in cells)] for name in cells[0]]
    report.table(caption, markdown(head, body), settings)


@partial(jax.jit, static_argnames="max_steps")
def _attempts(method, observation, stopping, key, clean, *, max_steps):
    """Of every candidate: PSNR, and what both criteria say."""
    problem = Problem(observation, observation.initial_image(), max_steps, key)
    results, found = method.attempts(
        problem, stopping, criteria=("sure", "discrepancy")
    )
    return {"psnr": jax.vmap(psnr, (0, None))(results.mean, clean), **found}


def summarise(rows, setting: str) -> tuple[dict, dict, dict]:
    """Of a noise level.

    Returns:
        way to choose -> mean PSNR; criterion -> mean value chosen; criterion -> least
        difference to the best fixed one.
    """
    values = np.array([value for (value,) in grouped(rows, setting)])
    column = {
        key: np.array([row[key] for row in rows]).reshape(-1, len(values))
        for key in ("psnr", *CRITERIA)
    }
    each, means = column["psnr"], column["psnr"].mean(0)
    result = {f"{v:g}": float(mean) for v, mean in zip(values, means, strict=True)}
    fixed = each[:, int(np.argmax(means))]
    result |= {"best fixed": float(fixed.mean())}
    result |= {"best each": float(each.max(1).mean())}
    chosen, worst = {}, {}
    for name in CRITERIA:
        at = np.argmin(column[name], axis=1)
        own = each[np.arange(len(each)), at]
        result[name] = float(own.mean())
        chosen[name], worst[name] = float(values[at].mean()), float(min(own - fixed))
    return result, chosen, worst


def _cells(of: dict, chosen: dict, worst: dict) -> dict[str, str]:
    """The column of a noise level."""
    cells = {name: f"{value:.2f}" for name, value in of.items()}
    for name, value in chosen.items():
        gap = of[name] - of["best fixed"]
        cells[name] += f" ({gap:+.2f}, worst {worst[name]:+.2f}; {value:.2f})"
    return cells
