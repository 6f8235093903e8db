"""The command line of train: flags -> config -> loop."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxrestore import settings
from jaxrestore.cli.entry import keep_compiled_programs
from jaxrestore.cli.flags import CommandLine, Values
from jaxrestore.configfiles import config_names, load_config
from jaxrestore.errors import InputError
from jaxrestore.settings import setting
from jaxrestore.training.config import saved_values, schema
from jaxrestore.training.memory import keep_freed_memory

_USAGE = """\
Train a prior, or go on training it: the same command resumes.

  {0} --config=patch_vdvae_natural --workdir=runs/mine \\
      --config.data.train=FOLDER --config.data.val=FOLDER
  {0} ... --config.max_minutes=60
  {0} --workdir=runs/mine --export=weights.safetensors

Writes WORKDIR/{{checkpoints,metrics.csv,tensorboard,sheets,config.json}}. SIGTERM and
Ctrl-C finish the step, write a checkpoint and exit. A setting --config.NAME=VALUE may
be written --NAME=VALUE; those of model, loss and optimizer are its recipe's: give
--config with --help to see them. Configs:

  {1}
"""


@dataclass(frozen=True)
class TrainFlags:
    """The plain flags."""

    config: str = setting("", settings.text, "config: a file, or a name of the above")
    workdir: str = setting("", settings.text, "folder of the run")
    export: str = setting("", settings.text, "write the EMA weights there, no training")
    distributed: bool = setting(
        False, settings.flag, "several processes, found by the cluster's means"
    )
    coordinator: str | None = setting(None, settings.text, "HOST:PORT of process 0")
    num_processes: int | None = setting(None, settings.count(), "how many processes")
    process_id: int | None = setting(None, settings.count(0), "which one this is")


def _load(flags: TrainFlags) -> Values:
    """The values of the config file; for an export, those that the run saved."""
    if flags.config:
        return load_config(flags.config, "train")
    if not (flags.export and flags.workdir):
        raise InputError(
            "--config is missing; expected a file, or one of"
            f" {', '.join(config_names('train'))}"
        )
    return saved_values(flags.workdir)


def _join_processes(flags: TrainFlags) -> None:
    """Start `jax.distributed` if the flags ask for it."""
    given: Any = [flags.coordinator, flags.num_processes, flags.process_id]
    if not flags.distributed and given == [None, None, None]:
        return
    import jax

    if not flags.distributed and None in given:
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
    program = argv[0] if argv[0].startswith("jaxrestore") else "python train.py"
    usage = _USAGE.format(program, ", ".join(config_names("train")))
    required = ("workdir",)
    line = CommandLine(program, usage, TrainFlags, schema, _load, required=required)
    parsed = line.parse(argv)
    if parsed is None:
        return 0
    config, flags = parsed.config, parsed.flags
    # Orbax logs each folder and topology as a warning, and the tracebacks of errors
    # that it then raises, which are reported in one line here.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    keep_compiled_programs()
    keep_freed_memory()
    _join_processes(flags)
    try:
        if flags.export:
            from jaxrestore.training.export import export

            export(config, flags.workdir, flags.export)
            print(f"wrote {flags.export}")
        else:
            from jaxrestore.training.loop import train

            train(config, flags.workdir)
    except OSError as error:
        where = error.filename or flags.workdir
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot write {where} ({reason}); the newest checkpoint is intact: make"
            " room, then run the same command to go on"
        ) from error
    return 0
