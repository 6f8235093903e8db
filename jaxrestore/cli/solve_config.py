"""The settings of solve.py: defaults, what each means, and their validation."""

from typing import Any, cast

from ml_collections import ConfigDict, FrozenConfigDict, config_dict

from jaxrestore.cli.levels import parse_level, parse_number, parse_temperature
from jaxrestore.cli.settings import TASKS
from jaxrestore.errors import InputError
from jaxrestore.solvers.descent import METHODS, SCALINGS

_CHOICES = {
    "task": TASKS,
    "boundary": ("auto", "periodic", "unknown"),
    "output_image": ("mean", "image"),
    "solver.scaling": SCALINGS,
    "solver.descent": METHODS,
    "kernel.kind": (
        "gaussian",
        "anisotropic_gaussian",
        "uniform",
        "motion",
        "bicubic",
        "file",
    ),
}


def default_config() -> Any:
    """Every setting with its default; a config file changes what its task needs."""
    config = ConfigDict()
    # What happened to the image: "blur", "downsample" (blur, then keep every
    # factor-th pixel), "mask" (missing pixels) or "identity" (noise alone).
    config.task = "blur"
    # Blur kernel. "file" reads `path` (.npy, .png, .mat); sizes in pixels, angle in
    # degrees, seed draws the motion; "bicubic" reduces by `factor`, antialiased.
    config.kernel = ConfigDict()
    config.kernel.kind = "gaussian"
    config.kernel.size = 25
    config.kernel.std = 1.6
    config.kernel.stds = (1.22, 2.83)
    config.kernel.angle = 45.0
    config.kernel.seed = 0
    config.kernel.path = ""
    config.factor = 4
    # Missing pixels: a file (white = seen), or drawn with this probability.
    config.mask = ConfigDict()
    config.mask.path = ""
    config.mask.missing = 0.6
    # Noise that --simulate adds, and the noise level that the solver is told; "auto":
    # the simulated level, or without --simulate an estimate from the image.
    config.simulated_noise_std = "8/255"  # or "none"
    config.noise_std = "auto"
    # "periodic", or "unknown": nothing is assumed beyond the border. "auto": periodic
    # with --simulate, unknown otherwise.
    config.boundary = "auto"
    config.prior = "patch-vdvae-natural"
    # A low-resolution encoder for this prior and factor, bundled name or file: draws
    # solver.n_samples plausible images in one pass, where "" restores one.
    config.encoder = ""
    config.seed = 0
    config.solver = ConfigDict()
    # "table" and "auto" take these three from a table by task and noise level; but
    # temperature "auto" is chosen for each image, by SURE, at twelve times the cost.
    config.solver.temperature = "table"  # 0.8 | 0.8:0.6 | 0.9,0.8 | auto | discrepancy
    config.solver.decoder_std = "auto"  # 10/255 | predicted
    config.solver.encoder_noise = "auto"  # 10/255 | none
    config.solver.max_steps = 50
    config.solver.tolerance = 2e-3  # relative change at which an image is done
    config.solver.patience = config_dict.placeholder(int)  # plateau stop; none: off
    config.solver.cg_steps = config_dict.placeholder(int)  # none: exact data step
    # For critics, in place of temperature, decoder_std, encoder_noise and cg_steps:
    # the weight of the regulariser, "auto" takes it from a table; what the weight
    # means (see solvers/variational.py); "adam" or "gradient_descent".
    config.solver.weight = "auto"
    config.solver.scaling = "pixel"  # pixel | literal
    config.solver.descent = "adam"
    config.solver.n_samples = 8  # with an encoder
    # What restored.png shows: "mean" (decoder mean, what the paper reports) or
    # "image" (the last data step).
    config.output_image = "mean"
    return config


def validate(config: Any) -> Any:
    """Checks every setting and freezes them.

    Raises:
        InputError: A key is unknown or missing, or a value cannot be used.
    """
    if not isinstance(config, ConfigDict):
        raise InputError("--config: get_config() must return a ConfigDict")
    config = cast(Any, config)
    _same_keys(config, default_config(), "config")
    for name, allowed in _CHOICES.items():
        value = _get(config, name)
        if value not in allowed:
            raise InputError(
                f"config.{name}={value}: expected one of {', '.join(allowed)}"
            )
    parse_level(config.simulated_noise_std, "config.simulated_noise_std", "none")
    parse_level(config.noise_std, "--noise_std", "auto")
    parse_temperature(config.solver.temperature, "config.solver.temperature")
    decoder_std = "config.solver.decoder_std"
    parse_level(config.solver.decoder_std, decoder_std, "auto", "predicted")
    encoder_noise = "config.solver.encoder_noise"
    parse_level(config.solver.encoder_noise, encoder_noise, "auto", "none")
    if config.solver.weight != "auto":
        _between(config, "solver.weight", 1e-9, 1e9)
    _whole(config, "factor", 1, 64)
    _whole(config, "seed", 0, 2**32 - 1)
    _whole(config, "solver.n_samples", 1, 256)
    _whole(config, "kernel.size", 1, 1023)
    _whole(config, "kernel.seed", 0, 2**32 - 1)
    _whole(config, "solver.max_steps", 1, 1_000_000)
    _whole(config, "solver.patience", 0, 1_000_000)
    _whole(config, "solver.cg_steps", 1, 100_000)
    _between(config, "mask.missing", 0, 0.999)
    _between(config, "solver.tolerance", 0, 1)
    _between(config, "kernel.std", 0.01, 1000)
    return FrozenConfigDict(config)


def names() -> dict[str, Any]:
    """Dotted name -> default of every setting."""
    result = {}
    for key, value in default_config().items():
        inner = value.items() if isinstance(value, ConfigDict) else ()
        result.update({f"{key}.{name}": default for name, default in inner})
        if not isinstance(value, ConfigDict):
            result[key] = value
    return result


def _get(config: Any, name: str) -> Any:
    for part in name.split("."):
        config = config[part]
    return config


def _same_keys(config: Any, known: Any, name: str) -> None:
    wrong = set(config.keys()) ^ set(known.keys())
    if wrong:
        key = sorted(wrong)[0]
        problem = "unknown" if key in config else "missing"
        raise InputError(
            f"{name}.{key}: {problem} setting, expected exactly"
            f" {', '.join(sorted(known.keys()))}; start from default_config()"
        )
    for key, value in known.items():
        if isinstance(value, ConfigDict):
            _same_keys(config[key], value, f"{name}.{key}")


def _whole(config: ConfigDict, name: str, low: int, high: int) -> None:
    value = _get(config, name)
    if value is None:
        return
    if type(value) is not int or not low <= value <= high:
        raise InputError(
            f"config.{name}={value}: expected a whole number from {low} to {high}"
        )


def _between(config: ConfigDict, name: str, low: float, high: float) -> None:
    value = parse_number(_get(config, name), f"config.{name}")
    if not low <= value <= high:
        raise InputError(f"config.{name}={value:g}: expected from {low:g} to {high:g}")
