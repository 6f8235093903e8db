"""The flags of solve.py."""

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from jaxrestore.cli import solve_config
from jaxrestore.cli.levels import parse_level
from jaxrestore.configfiles import find
from jaxrestore.errors import InputError

DEFAULT_CONFIG = "configs/solve/motion_deblur.py"

_HELP = """\
Restore photographs that are blurred, too small, noisy or full of holes.

  python solve.py                                   degrade and restore a sample
  python solve.py --simulate --input=clean.png      the same with your own image
  python solve.py --config=configs/solve/gaussian_deblur.py --input=blurred.png
  python solve.py --config=configs/solve/motion_deblur.py --kernel=k.npy --input=b.png
  python solve.py --config=configs/solve/sr_x4.py --input=folder --output=large
  python solve.py --config=configs/solve/inpaint.py --mask=m.png --input=scratched.png

Writes OUTPUT/NAME/{observed,restored,comparison,convergence}.png for each image and
OUTPUT/summary.json. The same command again skips what is done.
"""
_HELP_FLAGS = ("--help", "-help", "-h", "--helpfull", "--helpshort", "-?")


@dataclasses.dataclass(frozen=True)
class Options:
    """A checked command line.

    Attributes:
        config: All settings, frozen, the flags already in them.
        input: File or folder, or None for the sample photograph.
        output: Folder for the results.
        simulate: The input is clean and is degraded first.
        overwrite: Restore again what is already done.
    """

    config: Any
    input: Path | None
    output: Path
    simulate: bool
    overwrite: bool


def parse(argv: Sequence[str]) -> Options | None:
    """Reads the command line.

    Args:
        argv: Program name, then the arguments.

    Returns:
        The options, or None after printing the help.

    Raises:
        InputError: An argument is unknown, or its value cannot be used.
    """
    # Overrides are allowed anywhere, but config_flags wants the file first.
    arguments = sorted(map(_checked, argv[1:]), key=_is_not_the_config)
    argv = [argv[0], *arguments]
    try:
        values = _define(argv)
        if any(argument in _HELP_FLAGS for argument in argv[1:]):
            print(_help(values))
            return None
        rest = values(argv)
    except InputError:
        raise
    except (
        flags.Error,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        OSError,
    ) as error:
        raise _flag_error(error) from error
    if len(rest) > 1:
        raise InputError(
            f"{rest[1]}: unexpected argument, expected flags only, such as"
            f" --input={rest[1]}; see python solve.py --help"
        )
    config = values.config
    _apply(config, values)
    if values.simulate is False and values.input is None:
        raise InputError("--nosimulate: needs an observation, give --input=FILE")
    return Options(
        config=solve_config.validate(config),
        input=None if values.input is None else Path(values.input),
        output=Path(values.output),
        simulate=bool(values.simulate) or values.input is None,
        overwrite=bool(values.overwrite),
    )


def _define(argv: Sequence[str]) -> flags.FlagValues:
    """A fresh set of flags, so that a process can parse several command lines."""
    values = flags.FlagValues()
    own: dict[str, Any] = {"flag_values": values}
    config_flags.DEFINE_config_file(
        "config",
        _config_path(DEFAULT_CONFIG),
        "Task and settings: a file or its name in configs/solve.",
        sys_argv=list(argv),
        **own,
    )
    flags.DEFINE_string("input", None, "Image file or folder of images.", **own)
    flags.DEFINE_string("output", "restored", "Folder for the results.", **own)
    flags.DEFINE_boolean(
        "simulate", None, "The input is clean: degrade it, restore it, score it.", **own
    )
    flags.DEFINE_string("kernel", None, "Blur kernel: .npy, .png or .mat file.", **own)
    flags.DEFINE_string(
        "mask",
        None,
        "Mask: image or .npy file, white or 1 where pixels are seen.",
        **own,
    )
    flags.DEFINE_integer("factor", None, "Super-resolution factor.", **own)
    flags.DEFINE_string(
        "noise_std", None, "Noise level: 8/255, 0.03, or auto to estimate it.", **own
    )
    flags.DEFINE_integer("seed", None, "Seed of simulated noise and masks.", **own)
    flags.DEFINE_string("prior", None, "Name of bundled weights, or a file.", **own)
    flags.DEFINE_boolean("overwrite", False, "Restore again what is done.", **own)
    return values


def _apply(config: Any, values: flags.FlagValues) -> None:
    """Puts the given flags into the config."""
    task = config.get("task")
    for flag, tasks in (
        ("kernel", ("blur", "downsample")),
        ("mask", ("mask",)),
        ("factor", ("downsample",)),
    ):
        if values[flag].value is not None and task not in tasks:
            raise InputError(
                f"--{flag}={values[flag].value}: has no use in a config whose task is"
                f" {task}; choose another --config, see configs/solve"
            )
    if values.kernel is not None:
        config.kernel.update(kind="file", path=values.kernel)
    if values.mask is not None:
        config.mask.update(path=values.mask)
    for name in ("factor", "seed", "prior"):
        if values[name].value is not None:
            config[name] = values[name].value
    if values.noise_std is not None:
        config.noise_std = values.noise_std
        if parse_level(values.noise_std, "--noise_std", "auto") != "auto":
            config.simulated_noise_std = values.noise_std


def _checked(argument: str) -> str:
    """Finds the config file; refuses overrides of settings that do not exist."""
    name, equals, value = argument.partition("=")
    name = name.lstrip("-")
    if name == "config" and argument.startswith("-"):
        if not equals:
            raise InputError("--config: has no value, expected --config=FILE")
        return f"--config={_config_path(value)}"
    known = solve_config.names()
    setting = name.removeprefix("config.")
    if argument.startswith("-") and setting != name and setting not in known:
        near = difflib.get_close_matches(setting, known, 1)
        guess = f"did you mean --config.{near[0]}? " if near else ""
        raise InputError(
            f"--{name}: unknown setting; {guess}see python solve.py --help for all"
        )
    return argument


def _is_not_the_config(argument: str) -> bool:
    return not argument.startswith("--config=")


def _config_path(name: str) -> str:
    return str(find(name, "solve"))


def _flag_error(error: Exception) -> InputError:
    """absl's and ml_collections' messages as one line with a remedy."""
    text = str(error.args[0]) if error.args else str(error)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    text = lines[-1].strip() if "Traceback" in text else " ".join(text.split())
    return InputError(f"{text[:300]}; see python solve.py --help")


def _help(values: flags.FlagValues) -> str:
    lines = [_HELP, "Flags (defaults in brackets):"]
    for name in ("config", "input", "output", "simulate", "kernel", "mask", "factor",
                 "noise_std", "seed", "prior", "overwrite"):  # fmt: skip
        flag = values[name]
        default = DEFAULT_CONFIG if name == "config" else flag.default
        default = "" if default is None else f" [{default}]"
        lines.append(f"  --{name:<10}{flag.help}{default}")
    lines += ["", "Any setting can be overridden (defaults before the config file):"]
    settings = solve_config.names().items()
    lines += [f"  --config.{name}={default}" for name, default in settings]
    lines.append("What they mean: jaxrestore/cli/solve_config.py")
    return "\n".join(lines)
