"""The command line of train.py: flags -> config -> loop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from jaxrestore.cli.entry import keep_compiled_programs
from jaxrestore.errors import InputError

_HELP = """\
Train a prior, or go on training it: the same command resumes.

  python train.py --config=configs/train/patch_vdvae_natural.py --workdir=runs/mine \
      --config.data.train=FOLDER --config.data.val=FOLDER
  python train.py ... --config.max_minutes=60
  python train.py ... --export=weights.safetensors

Writes WORKDIR/{checkpoints,metrics.csv,tensorboard,sheets,config.json}. SIGTERM and
Ctrl-C finish the step, write a checkpoint and exit. Any setting of the config can be
overridden with --config.NAME=VALUE; what they mean: jaxrestore/training/config.py.
"""
_HELP_FLAGS = ("--help", "-help", "-h", "--helpfull", "--helpshort", "-?")


def _define(argv: Sequence[str]) -> flags.FlagValues:
    """A fresh set of flags, so that a process can parse several command lines."""
    values = flags.FlagValues()
    own: Any = {"flag_values": values}
    config_flags.DEFINE_config_file(
        "config", None, "Training config file.", sys_argv=list(argv), **own
    )
    flags.DEFINE_string("workdir", None, "Folder of the run.", **own)
    flags.DEFINE_string("export", None, "Write EMA weights there, do not train.", **own)
    flags.DEFINE_boolean(
        "distributed", False, "Several processes, found by the cluster's means.", **own
    )
    flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0.", **own)
    flags.DEFINE_integer("num_processes", None, "How many processes train.", **own)
    flags.DEFINE_integer("process_id", None, "Which one this is, from 0.", **own)
    return values


def _parse(argv: Sequence[str]) -> flags.FlagValues:
    values = _define(argv)
    for argument in argv[1:]:
        name, _, path = argument.partition("=")
        file = path.split(":", 1)[0]
        if name in ("--config", "-config") and not Path(file).is_file():
            raise InputError(f"--config={path}: no such config file")
    try:
        rest = values(list(argv))
    except Exception as error:  # whatever absl, ml_collections or the file raise
        raise _parse_error(error) from error
    if len(rest) > 1:
        raise InputError(f"{rest[1]}: unexpected argument, expected flags only")
    for name in ("config", "workdir"):
        if not values[name].value:
            raise InputError(f"--{name} is missing; see python train.py --help")
    return values


def _parse_error(error: Exception) -> InputError:
    text = str(error.args[0]) if error.args else type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    text = lines[-1] if "Traceback" in text else " ".join(lines)
    if isinstance(error, SyntaxError):
        text = f"{error.filename}:{error.lineno}: {text}"
    return InputError(f"{text[:300]}; see python train.py --help")


def _join_processes(values: flags.FlagValues) -> None:
    """Start `jax.distributed` if the flags ask for it."""
    given = [values.coordinator, values.num_processes, values.process_id]
    if not values.distributed and given == [None, None, None]:
        return
    import jax

    if not values.distributed and None in given:
        raise InputError(
            "--coordinator, --num_processes and --process_id belong together; give"
            " all three, or --distributed on a cluster that JAX knows"
        )
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(*given)
    except (RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"jax.distributed cannot start: {text[:300]}") from error


def main(argv: Sequence[str]) -> int:
    """Train or export as the arguments say.

    Args:
        argv: program name, then the arguments.

    Returns:
        Exit code 0.

    Raises:
        InputError: the arguments, config, data or workdir cannot be used.
    """
    if any(argument in _HELP_FLAGS for argument in argv[1:]):
        print(_HELP + "\nFlags:\n" + _define(argv[:1]).main_module_help())
        return 0
    values = _parse(argv)
    import logging

    from jaxrestore.training import config as training_config

    # Orbax logs each folder and topology as a warning, and the tracebacks of errors
    # that it then raises, which are reported in one line here.
    logging.getLogger("absl").setLevel(logging.CRITICAL)

    config = training_config.validate(values.config)
    keep_compiled_programs()
    _join_processes(values)
    try:
        if values.export:
            from jaxrestore.training.export import export

            export(config, values.workdir, values.export)
            print(f"wrote {values.export}")
        else:
            from jaxrestore.training.loop import train

            train(config, values.workdir)
    except OSError as error:
        where = error.filename or values.workdir
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot write {where} ({reason}); the newest checkpoint is intact: make"
            " room, then run the same command to go on"
        ) from error
    return 0
