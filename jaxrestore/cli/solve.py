"""The command line of solve: flags -> settings -> images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxrestore.cli.entry import keep_compiled_programs
from jaxrestore.cli.flags import CommandLine, Parsed, Values
from jaxrestore.configfiles import config_names, is_bundled, load_config, merged
from jaxrestore.errors import InputError
from jaxrestore.settings import choice, count, flag, level, setting

SOME_FAILED = 1
DEFAULT_CONFIG = "motion_deblur"
BLIND = "auto"
RAY = "ray"

_USAGE = """\
Restore photographs that are blurred, too small, noisy or full of holes.

  {0}                                     degrade and restore a sample
  {0} --simulate --input=clean.png        the same with your own image
  {0} --kernel=auto --input=blurred.jpg   find the blur, then undo it
  {0} --kernel=k.npy --input=blurred.png
  {0} --config=gaussian_deblur --kernel.std=2 --input=blurred.png
  {0} --config=sr_x4 --input=folder --output=large
  {0} --config=inpaint --mask=m.png --input=scratched.png
  {0} --config=jpeg --input=blocky.jpg
  {0} --config=denoise --input=noisy.png --solver.name=tv
  {0} --config=sr_x4 --input=archive --recursive --shard=0/4 --no_figures

Writes OUTPUT/NAME/{{observed,restored,comparison,convergence}}.png for each image and
OUTPUT/summary.json. The same command again skips what is done. A setting
--config.NAME=VALUE may be written --NAME=VALUE: --prior, --factor, --seed. Configs:

  {1}

Methods (--config.solver.name=NAME with --help shows the settings of one):

{2}
"""


def _path(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name}={value}: expected a file or folder, name one")
    return value


@dataclass(frozen=True)
class SolveFlags:
    """The plain flags."""

    config: str = setting(DEFAULT_CONFIG, _path, "task and settings: a file or a name")
    input: str | None = setting(None, _path, "image, folder, or list of images (.txt)")
    recursive: bool = setting(False, flag, "the folders inside the folder, too")
    shard: str | None = setting(
        None, _path, "I/N: this part of the images, from 0/N | slurm; then merge"
    )
    output: str = setting("restored", _path, "folder for the results")
    simulate: bool = setting(False, flag, "the input is clean: degrade it, score it")
    kernel: str | None = setting(
        None, _path, "blur kernel: .npy, .png or .mat file, or auto to estimate it"
    )
    mask: str | None = setting(None, _path, "image or .npy, white or 1 where seen")
    noise_std: Any = setting(
        None, level("auto"), "noise: 8/255, 0.03, or auto to estimate it"
    )
    programs: int = setting(
        0,
        count(0),
        "a folder's many sizes share so many compiled ones; 0: each its own",
    )
    overwrite: bool = setting(False, flag, "restore again what is done")
    figures: bool = setting(True, flag, "draw comparisons and curves, too")
    engine: str = setting(
        "local", choice("local", RAY), "ray: a cluster's processes restore the images"
    )
    workers: int = setting(
        0, count(0), "processes of ray; 0: one for each GPU, or machine without any"
    )


def _load(flags: SolveFlags) -> Values:
    """The values of the config file, with those that the plain flags stand for."""
    given: dict[str, Any] = {}
    if flags.kernel:
        given["kernel.kind"] = BLIND
        if flags.kernel != BLIND:
            given |= {"kernel.kind": "file", "kernel.path": flags.kernel}
    if flags.mask:
        given["mask.path"] = flags.mask
    if flags.noise_std:
        given["noise_std"] = flags.noise_std
        if flags.noise_std != "auto":
            given["simulated_noise_std"] = flags.noise_std
    return merged(load_config(flags.config, "solve"), given)


def _schema(values: Values) -> type:
    from jaxrestore.cli.solve_config import schema

    return schema(values)


def _usage(program: str) -> str:
    from jaxrestore.solvers import SOLVERS

    methods = [
        f"  {name:<12} {(kind.__doc__ or '').splitlines()[0]}"
        for name, kind in SOLVERS.items()
    ]
    return _USAGE.format(program, ", ".join(config_names("solve")), "\n".join(methods))


def _check_use(line: Parsed) -> None:
    """Refuse flags that the task has no use for."""
    blurs = ("blur", "downsample")
    enlarge = ("resize", "downsample")
    tasks = {"kernel": blurs, "boundary": blurs, "mask": ("mask",), "factor": enlarge}
    tasks["filter"] = ("resize",)
    for name, value in line.given.items():
        useful = tasks.get(name.removesuffix(".path"))
        if useful and line.config.task not in useful:
            raise InputError(
                f"--{name}={value}: has no use in a config whose task is"
                f" {line.config.task}; choose another --config, see --help"
            )
    from jaxrestore.solvers import SOLVERS

    kind = SOLVERS[line.config.solver.name]
    if "encoder" in line.given and "encoder" not in kind.models:
        raise InputError(
            f"--encoder={line.given['encoder']}: has no use with the method"
            f" {kind.name}; leave it out, or choose --config.solver.name=diverse_sr"
        )
    if "output_image" in line.given and (line.config.sampling or line.config.posterior):
        raise InputError(
            f"--output_image={line.given['output_image']}: has no use with {kind.name},"
            " whose result is the mean of its draws; leave it out"
        )
    if line.flags.workers and line.flags.engine != RAY:
        raise InputError(
            f"--workers={line.flags.workers}: has no use without --engine=ray; leave it"
            " out"
        )
    if line.given.get("simulate") == "false" and line.flags.input is None:
        raise InputError("--nosimulate: needs an observation, give --input=FILE")


def blur_is_known(config: Any, name: str, given: Iterable[str]) -> bool:
    """Whether the blur of a real photograph is told, if there is one, not made up.

    Args:
        config: the settings.
        name: of their config file.
        given: dotted names of the settings that were given besides.
    """
    if config.task not in ("blur", "downsample") or config.kernel.kind == "bicubic":
        return True
    own = not is_bundled(name, "solve")  # a file of the user's says it
    said = own or any(setting.split(".")[0] == "kernel" for setting in given)
    return said and config.kernel.kind != "motion"


def _check_kernel(line: Parsed) -> None:
    """Refuse to make up the blur of a real photograph."""
    simulated = line.flags.simulate or line.flags.input is None
    if simulated or blur_is_known(line.config, line.flags.config, line.given):
        return
    raise InputError(
        "--kernel: missing, and the blur of a photograph is not made up; give"
        " --kernel=FILE, or --kernel=auto to estimate it, or its form, such as"
        " --kernel.kind=gaussian --kernel.std=2; --simulate blurs a clean image"
    )


def _leave_accelerators() -> None:
    """To the processes of the cluster, of which this is none.

    Raises:
        InputError: Ray is not installed.
    """
    import jax

    from jaxrestore.cli.on_ray import check_ray

    check_ray()
    jax.config.update("jax_platforms", "cpu")


# Sections that another method has others of.
_OF_SOLVER = ("solver", "stopping", "sampling", "acceleration", "posterior")


def command_line(program: str) -> CommandLine:
    """The flags and settings of the command."""
    return CommandLine(
        program,
        _usage(program),
        SolveFlags,
        _schema,
        _load,
        resets={"solver.name": _OF_SOLVER},
        positional="input",
    )


def main(argv: Sequence[str]) -> int:
    """Restore images as the arguments say.

    Args:
        argv: program name, then the arguments.

    Returns:
        0 when all images are restored, 1 when some of a folder are not.

    Raises:
        InputError: the command cannot be carried out.
    """
    program = argv[0] if argv[0].startswith("jaxrestore") else "python solve.py"
    line = command_line(program).parse(argv)
    if line is None:
        return 0
    _check_use(line)
    _check_kernel(line)
    from jaxrestore.cli.batch import Batch
    from jaxrestore.cli.items import items, part, shard_of

    flags = line.flags
    if on_cluster := flags.engine == RAY:
        _leave_accelerators()
    shard = shard_of(flags.shard)
    everything = items(flags.input, flags.recursive, flags.output)
    images = part(everything, shard)
    keep_compiled_programs()
    simulate = flags.simulate or flags.input is None
    batch = Batch(
        line.config,
        Path(flags.output),
        simulate,
        overwrite=flags.overwrite,
        figures=flags.figures,
        shard=f"{shard[0]}-of-{shard[1]}" if shard else "",
        programs=flags.programs,
        everything=everything,
        workers=flags.workers if on_cluster else None,
    )
    failures = batch.run(images)
    if failures and len(images) == 1 and not shard:
        raise InputError(next(iter(failures.values())))
    return SOME_FAILED if failures else 0
