"""Variational posteriors beside methods that give one image: settings and scores."""

import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.evaluation.harness import scores, starting_image
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import across, of, table
from jaxrestore.experiments.settings import Config as BaseConfig
from jaxrestore.experiments.settings import configured, pnp_settings, some
from jaxrestore.priors import load_prior
from jaxrestore.settings import count, number, setting, text
from jaxrestore.solvers import (
    TV,
    VBLE,
    VBLEXZ,
    PnPHVAE,
    SelectRate,
    Stopping,
    presets,
    restore,
    sample,
)

QUICK = {"max_images": 1, "steps": 3, "draws": 6}
_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_COVERED = "covered_0.9"
_FITTED = {"VBLE": VBLE, "VBLE-xz": VBLEXZ}
METHODS = (*_FITTED, "PnP-HVAE", "total variation")

# (task of the presets, noise level, observation, original, key) -> row, images
Solve = Callable[..., tuple[dict, dict]]


@configured()
class Fitted(BaseConfig):
    """Of experiments with `VBLE` and `VBLEXZ`."""

    methods: tuple = setting(METHODS, some(*METHODS), "which")
    hvae: str = setting("patch-vdvae-natural", text, "prior of PnP-HVAE")
    rate: float | None = setting(
        None, number(0, above=True, none=True), "of an autoencoder; none: chosen"
    )
    steps: int = setting(300, count(), "of Adam")
    learning_rate: float = setting(0.1, number(0, above=True), "of Adam")
    weight: float = setting(1.0, number(0), "of the divergence")
    draws: int = setting(100, count(2), "of each posterior")


def methods(config: Any, prior: Any, report: Any) -> dict[str, Solve]:
    """What `config.methods` names."""
    return {name: _method(name, config, prior, report) for name in config.methods}


def solved(
    methods: dict[str, Solve], about: dict, kind: str, noise: float, seen, clean, key
) -> tuple[list[dict], dict[str, np.ndarray]]:
    """All methods on one image: rows, and images by the name of a picture's line.

    Args:
        methods: as the function of this name gives them.
        about: first columns of the rows.
        kind: task of the presets.
        noise: level in [0, 1] units, that settings are tuned for.
        seen: the observation.
        clean: the original.
        key: of the image.
    """
    start = starting_image(seen)
    rows = [about | {"method": "start"} | scores(start, clean)]
    shown = {"clean": clean, "start": start}
    for method, solve in methods.items():
        found, maps = solve(kind, noise, seen, clean, key)
        rows.append(about | {"method": method} | found)
        shown |= {f"{method} ({what})": image for what, image in maps.items()}
    return rows, {name: np.asarray(image) for name, image in shown.items()}


def tabulate(rows: list[dict], keys: list[str], report, caption: str) -> None:
    """The table, and the curve of reliability with its own."""
    reliability = [entry for row in rows if _COVERED in row for entry in _curve(row)]
    parts = [table(rows, [*keys, "method"], _COLUMNS)]
    if reliability:
        title = "share of true errors below the quantile"
        axes = ("level", "covered", "method", title, "share", "level of the quantile")
        curves(report.picture, "reliability", Panel(reliability, *axes, style=".-"))
        shares = across(reliability, "method", of("covered", ".1%"))
        parts.append(table(reliability, ["level"], shares))
    report.table(caption, "\n".join(parts))


def _known(key: str, form: str):
    """A column of means, empty where there are none."""
    column = of(key, form)
    return lambda rows: column(rows) or ""


_COLUMNS = {
    "PSNR": of("psnr", ".2f"),
    "PSNR MMSE-z": _known("psnr_z", ".2f"),
    "SSIM": of("ssim", ".3f"),
    "error below 90 %": _known(_COVERED, ".1%"),
    "deviation of 255": _known("deviation", ".2f"),
    "rate": _known("rate", ".4f"),
    "seconds": _known("seconds", ".1f"),
}


def _method(name: str, config: Any, prior, report) -> Any:
    if name in _FITTED:
        given = {"weight": config.weight, "learning_rate": config.learning_rate}
        method = _FITTED[name](prior, **given, rate=config.rate)
        if config.rate is None and len(getattr(prior.config, "rates", ())) > 1:
            method = SelectRate(method)
        return lambda kind, noise, *rest: _measured(method, config, *rest)
    hvae = load_prior(config.hvae) if name == "PnP-HVAE" else None
    return partial(_point, hvae, config, report)


def _point(hvae, config: Any, report, kind: str, noise: float, seen, clean, key):
    """Of a method that gives one image: PnP-HVAE with a prior, else total variation."""
    begin = time.perf_counter()
    if hvae is None:
        method: Any = TV(**presets.preset("tv", "", kind, noise).settings)
        stopping = TV.stopping
    else:
        named = SimpleNamespace(prior=config.hvae)
        given = pnp_settings(named, report, kind, noise)
        stopping = Stopping(given.pop("tolerance", PnPHVAE.stopping.tolerance))
        method = PnPHVAE(hvae, **given)
    found = restore(method, seen, key=key, stopping=stopping)
    image = jax.block_until_ready(found.mean)
    seconds = time.perf_counter() - begin
    return scores(image, clean) | {"seconds": seconds}, {"mean": image}


def _measured(solver, config: Any, seen, clean, key) -> tuple[dict, dict]:
    """Scores and coverage of one image; the first of a kind counts its compilation."""
    begin = time.perf_counter()
    result = restore(solver, seen, key=key, max_steps=config.steps)
    arguments = {"key": key, "n_samples": config.draws, "keep": False}
    posterior = solver.posterior(result)
    drawn = sample(posterior, seen, **arguments)
    mean = jax.block_until_ready(drawn.mean)
    seconds = time.perf_counter() - begin
    about = posterior.about(mean)
    errors: Any = sample(about, seen, quantiles=_LEVELS, **arguments).quantiles
    true = jnp.abs(mean - clean)
    row = scores(mean, clean) | {"psnr_z": scores(result.mean, clean)["psnr"]}
    row |= {"deviation": 255 * float(drawn.std.mean()), "seconds": seconds}
    if isinstance(solver, SelectRate):
        row["rate"] = float(solver.rate(result))
    for level, quantile in zip(_LEVELS, errors, strict=True):
        row[f"covered_{level:g}"] = float(np.mean(true <= quantile))
    scale = 1 / (float(jnp.quantile(true, 0.99)) + 1e-6)
    maps = {"mean": mean, "error": scale * true, "deviation": scale * drawn.std}
    return row, maps


def _curve(row: dict) -> list[dict]:
    """A row for each level."""
    return [
        {"level": level, "method": row["method"], "covered": row[f"covered_{level:g}"]}
        for level in _LEVELS
    ]
