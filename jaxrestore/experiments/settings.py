"""Settings that experiments share. Levels and deviations are in [0, 1] units.

Text gives them as the literature does: "7.65" is of 255, "7.65/255" is the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, ClassVar

from jaxrestore.errors import InputError
from jaxrestore.settings import (
    Check,
    choice,
    count,
    flag,
    number,
    parse_number,
    sequence,
    setting,
    text,
)
from jaxrestore.solvers.presets import preset

tau = number(0, 1, above=True)
taus = sequence(tau)
open_tau = number(0, 1, above=True, none=True)


def level(*, zero: bool = False, none: bool = False) -> Check:
    """A level in [0, 1] units; text without a fraction is of 255.

    Args:
        zero: 0 is a value, too.
        none: None (text: "none") is a value, too.
    """

    def check(value: Any, name: str) -> float | None:
        if none and value in (None, "none"):
            return None
        of_255 = isinstance(value, str) and "/" not in value
        result = parse_number(value, name) / (255 if of_255 else 1)
        if not 0 <= result <= 1 or (result == 0 and not zero):
            least = "from 0" if zero else "above 0"
            raise InputError(
                f"{name}={value}: expected a level {least} to 255, such as 7.65"
            )
        return result

    return check


levels = sequence(level())
told = level(zero=True, none=True)


class Level(float):
    """A level in [0, 1] units that a help shows of 255."""

    def __str__(self):
        return f"{255 * self:g}/255"


def of_255(*values: float) -> tuple[Level, ...]:
    """Levels of 255 in [0, 1] units."""
    return tuple(Level(value / 255) for value in values)


def label(level: float) -> str:
    """A level as it is written: of 255."""
    return f"{255 * level:g}"


def some(*names: str) -> Check:
    """One or more of some words."""
    return sequence(choice(*names))


def configured(**defaults: Any) -> Callable[[type], Any]:
    """A class decorator: a dataclass of settings, inherited ones with new defaults."""

    def change(kind: type) -> Any:
        known = {f.name: f.metadata for f in fields(dataclass(frozen=True)(kind))}
        changed = [
            (name, Any, field(default=value, metadata=known[name]))
            for name, value in defaults.items()
        ]
        return make_dataclass(kind.__name__, changed, bases=(kind,), frozen=True)

    return change


@configured()
class Config:
    """Settings of every experiment.

    Attributes:
        required: those that have no default.
    """

    images: str = setting("", text, "folder of clean test images")
    out: str = setting("", text, "folder to write to")
    prior: str = setting("patch-vdvae-natural", text, "bundled name or file")
    seed: int = setting(0, count(0), "of noise, crops and masks")
    max_images: int = setting(0, count(0), "of --images; 0: all")
    crop: int = setting(0, count(0), "central square; 0: all")
    quick: bool = setting(False, flag, "seconds, on few small images")

    required: ClassVar = ("images", "out")


@configured()
class Validated(Config):
    """With images that settings are chosen on."""

    val: str = setting("", text, "folder of images that settings are chosen on")
    val_images: int = setting(8, count(0), "of --val; 0: all")
    val_crop: int = setting(192, count(0), "as --crop, of --val")

    required: ClassVar = ("images", "out", "val")


@configured()
class PnPConfig(Config):
    """Of experiments that run PnP-HVAE; `pnp_settings` reads it."""

    decoder_std: Any = setting(
        None, level(none=True), "of 255; without: as tuned for the prior"
    )
    encoder_noise: Any = setting(None, told, "of 255, what is told; without: as tuned")
    schedule: str = setting("none", text, "of PnP-HVAE, such as 5:8 | preset | none")
    steps: int = setting(50, count(), "of PnP-HVAE at most")
    tolerance: float | None = setting(
        None, number(0, none=True), "of PnP-HVAE; none: as tuned"
    )
    batch: int = setting(1, count(), "images solved together")


@configured()
class KernelConfig(PnPConfig):
    """With one blur kernel."""

    kernel: str = setting(
        "", text, "blur kernel, a file; without: Gaussian of 1.6 pixels"
    )


@configured()
class Kernels(Config):
    """With several blur kernels and noise levels."""

    kernels: str = setting("", text, "folder of kernels, .npy files")
    ids: tuple = setting(
        (), sequence(text, 0), "their numbers; with a folder 4,7,9,11 if not given"
    )
    noise: tuple = setting(of_255(2.55, 7.65, 12.75), levels, "levels, of 255")


@configured()
class Adam(Config):
    """With Adam beside PnP-HVAE."""

    rates: tuple = setting(
        (), sequence(number(0, above=True), 0), "also Adam at these rates"
    )
    adam_steps: int = setting(500, count(), "of Adam")
    adam_tolerance: float = setting(1e-4, number(0), "of Adam")


@configured()
class Pictures(Config):
    """With scores and pictures of restored images."""

    batch: int = setting(1, count(), "images solved together")
    lpips: str = setting("", text, "LPIPS weights, as jaxrestore.convert writes them")
    shown: int = setting(1, count(), "images of each case drawn")


def pnp_settings(config: Any, report: Any, task: str, noise: float) -> dict[str, Any]:
    """PnP-HVAE's settings: what `config` gives, for the rest what was tuned.

    "tolerance" is among them where it was tuned, too.

    Args:
        config: with some of the settings' names, and `steps`, the most of a run.
        report: notes where nothing was tuned.
        task: one of `presets.TASKS`.
        noise: level in [0, 1] units.
    """
    names = "temperature", "decoder_std", "encoder_noise", "schedule"
    found = {name: getattr(config, name, None) for name in names}
    given = {name: value for name, value in found.items() if value is not None}
    steps = getattr(config, "steps", None)
    tuned = preset("pnp_hvae", config.prior, task, noise, given, steps)
    report.note(tuned.note.partition(";")[0])
    settings = dict(tuned.settings)
    if settings.get("schedule") == "none":
        del settings["schedule"]  # other solvers take them, too
    if tuned.tolerance is not None:
        settings["tolerance"] = tuned.tolerance
    return settings
