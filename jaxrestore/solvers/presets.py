"""Settings that were tuned, by solver, prior, task and noise level.

What was tuned for one prior says little of another: a prior without a row gets the
thesis' values, and the user a line that says so.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter

from jaxrestore.errors import InputError
from jaxrestore.operators import Mask
from jaxrestore.priors.registry import BUNDLED
from jaxrestore.solvers import tuned
from jaxrestore.solvers.selection import TEMPERATURES, Select
from jaxrestore.solvers.vble import VBLE

PRESET = "preset"  # the word for a setting that is left to this file
TASKS = ("blur", "downsample", "resize", "mask", "identity")

_PNP = ("temperature", "decoder_std", "encoder_noise")

# Shares of what was tuned, to be chosen from: of decoder_std, of a weight.
STEPS = (0.6, 0.8, 1.0, 1.25, 1.6)
WEIGHT_STEPS = (0.25, 0.5, 1.0, 2.0, 4.0)

# solver -> the settings that may be left to this file.
OPEN = {
    "pnp_hvae": (*_PNP, "schedule", "views", "averaged", "tv_start"),
    "joint_map": (*_PNP, "learning_rate"),
    "variational": ("weight", "learning_rate", "turns"),
    "tv": ("weight",),
}


class Preset(NamedTuple):
    """What was tuned.

    Attributes:
        settings: of the solver.
        note: a sentence for the user, "" where they were tuned.
        tolerance: of the stopping rule that goes with them, None: the solver's own.
    """

    settings: dict[str, Any]
    note: str = ""
    tolerance: float | None = None


def preset(
    solver: str,
    prior: str,
    task: str,
    noise_std: float,
    given: Mapping[str, Any] | None = None,
    max_steps: int | None = None,
) -> Preset:
    """What to take for the settings that the user leaves open.

    Args:
        solver: its name, a key of `SOLVERS`.
        prior: bundled name; any other text means weights that nothing was tuned for.
        task: one of `TASKS`, or what `kind_of` makes of it.
        noise_std: of the observation, in [0, 1] units.
        given: settings that the user chose; they win, and change what fits them; those
            that say `PRESET` are left open.
        max_steps: of the run; a schedule that was tuned ends with it at the latest.
    """
    given = {k: v for k, v in (given or {}).items() if not _is_open(v)}
    found, note = _open(solver, prior, task, noise_std, given, max_steps or math.inf)
    left = set(found) - set(given)
    ends = tuned.ENDS.get(prior) if "schedule" in found else None
    return Preset({**found, **given}, note if left else "", ends)


def kind_of(task: str, operator: Any) -> str:
    """The task, or "hole" where what a mask hides is mostly away from what is seen.

    Single pixels are filled from their neighbours, a hole from what the prior knows,
    which wants other settings. Counted are the unseen pixels that have a seen one among
    the eight around them.
    """
    if task != "mask" or not isinstance(operator, Mask):
        return task
    seen = np.asarray(operator.mask, bool).any(-1)
    reached = maximum_filter(seen, 3)
    unseen, far = (np.sum(np.logical_not(known)) for known in (seen, reached))
    return "hole" if 2 * far > unseen else "mask"


def criterion(method: Any, task: str) -> str | None:
    """What "auto" chooses by: pixels that a mask leaves to be held out, else SURE.

    None, nothing, for `VBLE` without a mask: its image cannot leave the generator's
    range, and SURE takes weights that fit the noise instead (docs/vble.md).
    """
    if task == "mask":
        return "held_out"
    return None if isinstance(method, VBLE) else "sure"


def selection(setting: str, method: Any, criterion: str) -> Select:
    """The method with a setting that is to be found from the photograph.

    Of a schedule that is how much a data step leaves to the prior: decoder_std, while
    the told noise stays.

    Args:
        setting: "temperature", "schedule" or "weight".
        method: with the settings of the preset.
        criterion: of `Select`.
    """
    if setting == "temperature":
        return Select(method, {"temperature": TEMPERATURES}, criterion)
    if setting == "weight":
        points = {"weight": [factor * method.weight for factor in WEIGHT_STEPS]}
        return Select(method, points, criterion, preferred=WEIGHT_STEPS.index(1.0))
    if method.decoder_std is None:
        raise InputError(
            "config.solver.schedule=auto: chooses decoder_std, which is to be"
            " predicted; give a schedule, or decoder_std a number"
        )
    points = {"decoder_std": [factor * method.decoder_std for factor in STEPS]}
    return Select(method, points, criterion, preferred=STEPS.index(1.0))


def _is_open(value: Any) -> bool:
    return isinstance(value, str) and value == PRESET


def row(prior: Any, name: str, digest: str) -> tuple[str, str]:
    """The prior's name in the tables, and a line where settings are another's.

    Args:
        prior: what `load_prior` returns.
        name: what the user calls it.
        digest: SHA-256 of its file; that decides whether it is a bundled one.
    """
    bundled = {known: key for key, known in BUNDLED.items()}
    if digest in bundled:
        return bundled[digest], ""
    if getattr(prior.config, "noise_input", False):
        own = "patch-vdvae-natural"
        return own, f"{name} is told the noise as {own} is: its settings are taken"
    return name, ""


def _open(
    solver, prior, task, noise_std, given, most: float
) -> tuple[dict[str, Any], str]:
    if solver == "tv":
        return {"weight": _rows(tuned.TV, task) / noise_std}, ""
    if solver == "variational":
        return _descent(prior, task, noise_std, given)
    rows = tuned.CONTINUED.get(prior, {}).get(task)
    if solver == "pnp_hvae" and rows and _continues(given):
        first = tuned.FIRST_TAU.get(prior, {}).get(task, 1)
        found = _continued(rows, 255 * noise_std, first, most)
        found["views"] = tuned.VIEWS.get(prior, "none")
        if (prior, task) in tuned.TV_STARTS:
            found["tv_start"] = _rows(tuned.TV, task) / noise_std
        return found, ""
    if solver in ("pnp_hvae", "joint_map"):
        own = tuned.CONSTANT.get(prior)
        table = _rows(own or tuned.THESIS, task)
        tau, *levels = _row(table, 255 * noise_std)
        values = tau, *(value / 255 for value in levels)
        found: dict[str, Any] = dict(zip(_PNP, values, strict=False))
        if solver == "pnp_hvae" and (prior, task) in tuned.AVERAGED:
            found |= {"views": tuned.VIEWS[prior], "averaged": True}
        if solver == "joint_map":  # the thesis' other rate, 0.01, circles for long
            found["learning_rate"] = 0.001
        return found, "" if own else _note(prior, "the thesis' values")
    return {}, ""


def _descent(prior, task, noise_std, given) -> tuple[dict[str, Any], str]:
    """Of Variational: a critic's weight, and how Adam goes."""
    literal = given.get("scaling") == "literal"
    table = tuned.PUBLISHED_WEIGHTS if literal else _rows(tuned.WEIGHTS, task)
    note = "" if prior == "alr-natural" else _note(prior, "alr-natural's weight")
    found: dict[str, Any] = {"weight": _between(table, noise_std)}
    if given.get("descent", "adam") == "adam":
        # Other bundled priors know upright images; weights of a user's own are a
        # critic's mostly. The farther the image, the faster.
        critic = prior == "alr-natural" or prior not in BUNDLED
        found["turns"] = critic and not literal
        found["learning_rate"] = 0.1 if literal else max(0.1, noise_std / 2)
    return found, note


def _rows(table: Mapping[str, Any], task: str) -> Any:
    """Of a task, holes as masks where nothing was tuned for them; None: nothing."""
    return table.get(task, table.get("mask") if task == "hole" else None)


def _continues(given: Mapping[str, Any]) -> bool:
    """Whether what is given goes with a schedule.

    gamma or a told noise of the user's own do not: they are meant for a constant run,
    unless there is a schedule, too.
    """
    if "schedule" not in given:
        return not {"decoder_std", "encoder_noise"} & set(given)
    value = given["schedule"]
    return not (value is None or (isinstance(value, str) and value in ("none", "")))


def _continued(rows, level: float, first_tau: float, most: float) -> dict[str, Any]:
    """Settings of PnP-HVAE with a schedule."""
    tau, gamma, *told, first, length = _row(rows, level)
    levels = dict(zip(_PNP[1:], (gamma / 255, *(t / 255 for t in told)), strict=False))
    schedule = f"{first / gamma:.3g}:{min(round(length), most)}"
    schedule += f":{first_tau:g}" if first_tau != 1 else ""
    return {"temperature": tau, **levels, "schedule": schedule}


def _row(table: Mapping[float, tuple], level: float) -> list[float]:
    """The values at a level."""
    columns = zip(*table.values(), strict=True)
    return [_between(dict(zip(table, c, strict=True)), level) for c in columns]


def _note(prior: str, instead: str) -> str:
    return (
        f"no settings were tuned for {prior}: {instead} for natural images are taken;"
        " --config.solver.NAME=VALUE sets others"
    )


def _between(table: Mapping[float, float], level: float) -> float:
    levels = sorted(table)
    return float(np.interp(level, levels, [table[key] for key in levels]))
