"""Settings that were tuned, by solver, prior, task and noise level.

What was tuned for one prior says little of another: a prior without a row gets the
thesis' values, and the user a line that says so.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.priors.registry import BUNDLED
from jaxrestore.solvers.selection import TEMPERATURES, Select

PRESET = "preset"  # the word for a setting that is left to this file
TASKS = ("blur", "downsample", "resize", "mask", "identity")

_PNP = ("temperature", "decoder_std", "encoder_noise")

# solver -> the settings that may be left to this file.
OPEN = {
    "pnp_hvae": (*_PNP, "schedule", "flips"),
    "joint_map": (*_PNP, "learning_rate"),
    "variational": ("weight",),
    "tv": ("weight",),
}

# prior -> task -> noise level -> values, linear in between, constant outside. Levels
# and deviations of 255.
_PNP_HVAE: dict[str, dict[str, dict[float, tuple]]] = {
    "patch-vdvae-natural": {
        "blur": {2.55: (0.95, 14, 9), 7.65: (0.95, 18, 9), 12.75: (0.95, 20, 8)},
        "downsample": {3: (0.95, 20, 9)},
        # Low: the result then holds where another filter was used than is assumed.
        "resize": {0.5: (0.95, 3, 9), 3: (0.95, 20, 9)},
        "mask": {3: (0.95, 20, 9)},
        # The encoder is told the noise level itself, and the wide p(x | z) leaves x at
        # the observation: the decoder mean is one pass of the denoiser.
        "identity": {1: (1.0, 255, 1), 50: (1.0, 255, 50)},
    },
    # The best of temperatures 0.4 to 0.95 and deviations 5 to 40 on faces that the
    # prior was not trained on: 8 of them, 12 for downsample (docs/results.md) and mask
    # (60 % missing; a large hole wants 0.4 and 10).
    "vdvae-faces64": {
        "blur": {3: (0.8, 10), 8: (0.8, 10)},
        "downsample": {3: (0.6, 10)},
        "resize": {3: (0.6, 10)},
        "mask": {3: (0.9, 20)},
        "identity": {5: (0.95, 5), 25: (0.8, 10)},
    },
}
# The same of runs with a schedule, and after them the deviation that it begins with
# (the told noise in proportion) and its length.
_CONTINUED: dict[str, dict[str, dict[float, tuple]]] = {
    "patch-vdvae-natural": {
        "blur": {
            2.55: (0.95, 10.4, 7, 73, 6),
            7.65: (0.95, 11.5, 7, 80, 8),
            12.75: (0.95, 28, 14, 98, 8),
        },
        "downsample": {3: (0.95, 12.6, 4, 155, 8)},
        "mask": {3: (0.95, 4.5, 2, 78, 16)},
    },
    "vdvae-faces64": {
        "blur": {3: (0.8, 10, 30, 8), 8: (0.8, 10, 30, 8)},
        "downsample": {3: (0.6, 10, 80, 8)},
    },
}
# What the schedule's first temperature is of the last: faces begin as their mean.
_FIRST_TAU = {"vdvae-faces64": 0.7}
_FLIPS = {"patch-vdvae-natural": "both"}
# The tolerance that ends a run with its schedule: held on, the natural prior loses 0.2
# to 0.5 dB in eight evaluations.
_ENDS = {"patch-vdvae-natural": 0.03}
# Natural images; the released code's decoder deviation, 10/255, at every level.
_PNP_THESIS = {
    "blur": {2.55: (0.95, 10), 7.65: (0.8, 10), 12.75: (0.6, 10)},
    "downsample": {3: (0.8, 10)},
    "resize": {3: (0.8, 10)},
    "mask": {3: (0.6, 10)},
    "identity": {2.55: (0.95, 10), 7.65: (0.8, 10), 12.75: (0.6, 10)},
}

STEPS = (0.6, 0.8, 1.0, 1.25, 1.6)  # of decoder_std, to be chosen from

# A critic's weight for the "pixel" scaling; levels in [0, 1].
_WEIGHTS = {
    "identity": {0.1: 0.17, 0.2: 0.28, 0.4: 0.35},
    "blur": {0.03: 0.08},
    "downsample": {0.03: 0.04},
    "resize": {0.03: 0.04},
    "mask": {0.03: 0.1},
}
# The weights of the thesis (3.4.1), for the "literal" scaling of eq. (3.4).
_PUBLISHED_WEIGHTS = {0.05: 0.15, 0.1: 0.35, 0.2: 0.6, 0.3: 0.8, 0.4: 1.0}

# Total variation: weight times noise level.
_TV = {"identity": 1.0, "blur": 0.2, "downsample": 0.1, "resize": 0.1, "mask": 0.1}


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
) -> Preset:
    """What to take for the settings that the user leaves open.

    Args:
        solver: its name, a key of `SOLVERS`.
        prior: bundled name; any other text means weights that nothing was tuned for.
        task: one of `TASKS`.
        noise_std: of the observation, in [0, 1] units.
        given: settings that the user chose; they win, and change what fits them; those
            that say `PRESET` are left open.
    """
    given = {k: v for k, v in (given or {}).items() if not _is_open(v)}
    found, note = _open(solver, prior, task, noise_std, given)
    left = set(found) - set(given)
    ends = _ENDS.get(prior) if "schedule" in found else None
    return Preset({**found, **given}, note if left else "", ends)


def selection(setting: str, method: Any, criterion: str) -> Select:
    """The method with a setting that is to be found from the photograph.

    Of a schedule that is how much a data step leaves to the prior: decoder_std, while
    the told noise stays.

    Args:
        setting: "temperature" or "schedule".
        method: with the settings of the preset.
        criterion: of `Select`.
    """
    if setting == "temperature":
        return Select(method, {"temperature": TEMPERATURES}, criterion)
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


def _open(solver, prior, task, noise_std, given) -> tuple[dict[str, Any], str]:
    if solver == "tv":
        return {"weight": _TV[task] / noise_std}, ""
    if solver == "variational":
        literal = given.get("scaling") == "literal"
        table = _PUBLISHED_WEIGHTS if literal else _WEIGHTS[task]
        note = "" if prior == "alr-natural" else _note(prior, "alr-natural's weight")
        return {"weight": _between(table, noise_std)}, note
    rows = _CONTINUED.get(prior, {}).get(task)
    if solver == "pnp_hvae" and rows and _continues(given):
        found = _continued(rows, 255 * noise_std, _FIRST_TAU.get(prior, 1))
        return found | {"flips": _FLIPS.get(prior, "none")}, ""
    if solver in ("pnp_hvae", "joint_map"):
        tuned = _PNP_HVAE.get(prior)
        table = (tuned or _PNP_THESIS)[task]
        tau, *levels = _row(table, 255 * noise_std)
        values = tau, *(value / 255 for value in levels)
        found: dict[str, Any] = dict(zip(_PNP, values, strict=False))
        if solver == "joint_map":  # the thesis' other rate, 0.01, circles for long
            found["learning_rate"] = 0.001
        return found, "" if tuned else _note(prior, "the thesis' values")
    return {}, ""


def _continues(given: Mapping[str, Any]) -> bool:
    """Whether what is given goes with a schedule.

    gamma or a told noise of the user's own do not: they are meant for a constant run,
    unless there is a schedule, too.
    """
    if "schedule" not in given:
        return not {"decoder_std", "encoder_noise"} & set(given)
    value = given["schedule"]
    return not (value is None or (isinstance(value, str) and value in ("none", "")))


def _continued(rows, level: float, first_tau: float) -> dict[str, Any]:
    """Settings of PnP-HVAE with a schedule."""
    tau, gamma, *told, first, length = _row(rows, level)
    levels = dict(zip(_PNP[1:], (gamma / 255, *(t / 255 for t in told)), strict=False))
    schedule = f"{first / gamma:.3g}:{round(length)}"
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
