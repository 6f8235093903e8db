"""The settings of solve: what happened to the images, and who undoes it."""

from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from typing import Any

from jaxrestore.errors import InputError
from jaxrestore.operators import FILTERS
from jaxrestore.priors import CAE, VAE, ConvVAE, Glow, read_metadata
from jaxrestore.priors.registry import ARCHITECTURES
from jaxrestore.settings import (
    choice,
    count,
    flag,
    level,
    number,
    section,
    sequence,
    setting,
    settings_of,
    text,
)
from jaxrestore.solvers import CRITERIA, SOLVERS, Anderson, Method, Stopping
from jaxrestore.solvers.presets import OPEN, PRESET, TASKS

_SUITABLE = {VAE: "jpmap", CAE: "vble", ConvVAE: "vble", Glow: "analysis"}
AUTO = "auto"  # the word for a rate that is chosen for each image
# Words for what is chosen from the observation alone: setting -> word -> criterion,
# "auto" that which suits the task.
SELECTED = {
    "temperature": {"auto": "sure", "sure": "sure", "discrepancy": "discrepancy"},
    **{
        setting: {"auto": "auto"} | {name: name for name in CRITERIA}
        for setting in ("schedule", "weight")
    },
}

_KERNELS = (
    "gaussian",
    "anisotropic_gaussian",
    "uniform",
    "motion",
    "bicubic",
    "file",
    "auto",
)


def _auto_or(least: int) -> Any:
    return lambda value, name: _or(count(least), (AUTO,))(value, name)


def _stream(value: Any, name: str) -> Any:
    return _or(flag, (AUTO,))(value, name)


@dataclass(frozen=True)
class KernelSettings:
    """The blur; sizes in pixels."""

    kind: str = setting(
        "gaussian", choice(*_KERNELS), " | ".join(_KERNELS) + " (estimated)"
    )
    size: int = setting(25, count(1, 1023), "side in pixels")
    std: float = setting(1.6, number(0.01, 1000), "of gaussian, in pixels")
    stds: tuple = setting(
        (1.22, 2.83), sequence(number(0.01, 1000), length=2), "of anisotropic_gaussian"
    )
    angle: float = setting(45.0, number(), "of its first axis, in degrees")
    seed: int = setting(0, count(0, 2**32 - 1), "draws the motion")
    path: str = setting("", text, "of file: .npy, .png or .mat; short: --kernel")


@dataclass(frozen=True)
class MaskSettings:
    """The pixels that were seen."""

    path: str = setting("", text, "white or 1 where seen; short: --mask")
    missing: float = setting(
        0.6, number(0, 0.999), "share that --simulate drops without a file"
    )


@dataclass(frozen=True)
class SamplingSettings:
    """The run of a sampler."""

    n_samples: int = setting(8, count(1, 256), "draws for each image")
    chains: int | None = setting(None, count(none=True), "side by side; none: as fits")
    burn_in: int = setting(0, count(0), "first steps that are not kept")
    thinning: int = setting(1, count(), "every so many-th step is kept")


@dataclass(frozen=True)
class ChainSettings(SamplingSettings):
    """The run of a sampler whose draws depend on the one before."""

    n_samples: int = setting(100, count(2, 100_000), "draws for each image")
    burn_in: int = setting(30, count(0), "first steps that are not kept")


@dataclass(frozen=True)
class PosteriorSettings:
    """What is drawn of the posterior that a method fitted."""

    n_samples: int = setting(100, count(2, 100_000), "draws for each image")


@dataclass(frozen=True)
class SolveConfig:
    """What every method shares.

    `schema` adds the sections `solver`, the settings of the method that it names, and
    `stopping` (of methods that iterate) or `sampling` (of those that draw),
    `acceleration` (of fixed-point maps), and `posterior` (of those that fit one).
    """

    task: str = setting("blur", choice(*TASKS), " | ".join(TASKS) + " (noise alone)")
    kernel: KernelSettings = section(KernelSettings)
    factor: float = setting(
        4, number(1, 64), "of resize, 1.5 for instance, and of downsample"
    )
    filter: str = setting(
        "auto", choice("auto", *FILTERS), "of resize: how it was made smaller"
    )
    mask: MaskSettings = section(MaskSettings)
    simulated_noise_std: float | None = setting(
        8 / 255, level(none="none"), "noise that --simulate adds | none"
    )
    simulated_jpeg: int | None = setting(
        None, count(1, 95, none=True), "quality that --simulate saves with | none"
    )
    noise_std: Any = setting(
        "auto", level("auto"), "told to the method; auto: as simulated, or estimated"
    )
    boundary: str = setting(
        "auto",
        choice("auto", "periodic", "unknown"),
        "auto: periodic with --simulate, unknown without",
    )
    prior: str = setting("patch-vdvae-natural", text, "bundled weights, or a file")
    compute_dtype: str = setting(
        AUTO,
        choice(AUTO, "float32", "bfloat16"),
        "of the prior's network, its weights are float32; auto: as it was trained",
    )
    encoder: str = setting("", text, "for diverse_sr: of this prior and factor")
    seed: int = setting(0, count(0, 2**32 - 1), "of simulated noise and masks")
    output_image: str = setting(
        "auto",
        choice("auto", "mean", "image"),
        "mean: the decoder's, image: the last data step; auto: mean for pnp_hvae",
    )
    check: bool = setting(
        True, flag, "hand out no result that does not explain the photograph"
    )
    max_minutes: float = setting(
        120, number(0), "refuse images that would take longer; 0: any time"
    )
    tile: Any = setting(
        AUTO,
        _auto_or(0),
        "side in pixels of what the prior sees at once: N | auto | 0: all",
    )
    batch: Any = setting(
        AUTO, _auto_or(1), "images of a program solved at once: N at most | auto | 1"
    )
    stream: Any = setting(
        AUTO, _stream, "from disk to disk, in bounded memory: true | false | auto"
    )
    mesh: str = setting(
        "none", choice("none", "rows"), "rows: all devices share those of each image"
    )
    # Of the class that `schema` makes.
    solver: Any = None
    stopping: Any = None
    sampling: Any = None
    acceleration: Any = None
    posterior: Any = None


def schema(values: Mapping[str, Any]) -> type[SolveConfig]:
    """The settings with those of the method that the values name or imply.

    Raises:
        InputError: no such method, or a prior that cannot be read.
    """
    kind = SOLVERS[solver_name(values)]
    iterates = issubclass(kind, Method)
    drawing = ChainSettings if kind.markov else SamplingSettings
    stopping = _stopping(kind) if iterates else drawing
    added = {"solver": _solver(kind), "stopping" if iterates else "sampling": stopping}
    if iterates and kind.at is not Method.at:
        added["acceleration"] = _acceleration()
    if hasattr(kind, "posterior"):
        added["posterior"] = PosteriorSettings
    fields = [(name, inner, section(inner)) for name, inner in added.items()]
    return make_dataclass("SolveConfig", fields, bases=(SolveConfig,), frozen=True)


def solver_name(values: Mapping[str, Any]) -> str:
    """The method that is named, or where that is "auto" the one that suits the prior.

    Raises:
        InputError: as `schema`.
    """
    inner: Any = values.get("solver")
    name = inner.get("name", "auto") if hasattr(inner, "keys") else "auto"
    if name != "auto":
        return choice("auto", *SOLVERS)(name, "config.solver.name")
    if values.get("encoder"):
        return "diverse_sr"
    prior = values.get("prior", SolveConfig.prior)
    architecture = read_metadata(prior).get("architecture", "")
    kind = ARCHITECTURES.get(architecture, (None,))[0]
    if kind in _SUITABLE:
        return _SUITABLE[kind]
    return "pnp_hvae" if hasattr(kind, "reconstruct") else "variational"


def _solver(kind: Any) -> type:
    """Name and settings of a method; those with presets may be left to them."""

    def named(value: Any, name: str) -> str:
        return choice(kind.name, "auto")(value, name) and kind.name

    known = ", ".join(SOLVERS)
    fields: list[Any] = [("name", str, setting(kind.name, named, f"auto or {known}"))]
    for f in settings_of(kind):
        check, text, default = f.metadata["check"], f.metadata["text"], f.default
        words: tuple[str, ...] = ()
        if f.name in OPEN.get(kind.name, ()):
            words, default = (PRESET,), PRESET
        if f.name == "rate":
            words, text = (AUTO,), f"{text} | {AUTO}: by the evidence"
        if f.name in SELECTED and issubclass(kind, Method):
            more = tuple(SELECTED[f.name])
            words, text = (*words, *more), f"{text} | {' | '.join(more)}"
        fields.append((f.name, Any, setting(default, _or(check, words), text)))
    return make_dataclass("SolverSettings", fields, frozen=True)


def _acceleration() -> type:
    """The settings of `Anderson`, none where no depth is given."""
    fields: list[Any] = []
    for f in settings_of(Anderson):
        default, check, text = f.default, f.metadata["check"], f.metadata["text"]
        if f.name == "depth":
            default, check, text = None, count(0, 50, none=True), f"{text} | none: off"
        fields.append((f.name, Any, setting(default, check, text)))
    return make_dataclass("AccelerationSettings", fields, frozen=True)


def _or(check: Any, words: tuple[str, ...]) -> Any:
    def check_or(value: Any, name: str) -> Any:
        if isinstance(value, str) and value in words:
            return value
        try:
            return check(value, name)
        except InputError as error:
            also = f", or one of {', '.join(words)}" if words else ""
            raise InputError(f"{error}{also}") from error

    return check_or


def _stopping(kind: type[Method]) -> type:
    """The stopping rules, with the method's own as defaults.

    The tolerance is left to the presets, as the settings that it goes with.
    """
    steps = setting(kind.max_steps, count(1, 1_000_000), "most steps")
    fields: list[Any] = [("max_steps", int, steps)]
    for f in settings_of(Stopping):
        check, text = f.metadata["check"], f.metadata["text"]
        default, words = getattr(kind.stopping, f.name), ()
        if f.name == "tolerance":
            default, words = PRESET, (PRESET,)
        fields.append((f.name, Any, setting(default, _or(check, words), text)))
    return make_dataclass("StoppingSettings", fields, frozen=True)
