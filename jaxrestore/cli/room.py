"""The memory of devices: what they refuse, and what takes less of it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import jax
from jax.sharding import Mesh

from jaxrestore.cli.solve_config import AUTO, SolveConfig
from jaxrestore.cli.task import Problem
from jaxrestore.errors import InputError
from jaxrestore.mesh import rows_mesh
from jaxrestore.solvers import Method

T = TypeVar("T")


def tried(call: Callable[[], T], refused: Callable[[], T]) -> T:
    """What a call returns; what `refused` does where a device has no room for it.

    Compiling and running are refused alike. Other errors are the caller's.
    """
    try:
        return call()
    except jax.errors.JaxRuntimeError as error:
        text = str(error)
        if "RESOURCE_EXHAUSTED" not in text and "out of memory" not in text.lower():
            raise
    return refused()  # not above, where the error's traceback holds the arrays


def forget_programs(
    limit: Path = Path("/proc/sys/vm/max_map_count"),
    taken: Path = Path("/proc/self/maps"),
) -> None:
    """Lets compiled programs go before the process may map no more memory.

    Linux allows a process 65,530 mappings, a program of a processor takes some 700 of
    them, and compiling one more than fits ends in a segmentation fault. Those that
    are wanted again are compiled again, or read from JAX's cache on disk.

    Args:
        limit: a file with the number that is allowed.
        taken: a file with a line for each mapping.
    """
    with suppress(OSError), taken.open() as lines:  # other systems have neither
        if sum(1 for _ in lines) > int(limit.read_text()) / 2:
            jax.clear_caches()


def too_large(
    argument: str, shape: Sequence[int], name: str, found: Sequence[str] = ()
) -> NoReturn:
    """Says that a device has no memory for an image.

    Args:
        argument: what the user calls the image.
        shape: its height and width first.
        name: of what is done with it.
        found: settings that take less.

    Raises:
        InputError: this.
    """
    take = f"take {' or '.join(found)}, or " if found else ""
    raise InputError(
        f"{argument}: {shape[1]}x{shape[0]} pixels with {name} are more than the device"
        f" has memory for; {take}reduce the image or cut it into parts"
    )


def is_processor(device: Any) -> bool:
    """Whether it has the machine's memory, and shares its cores."""
    return device.platform == "cpu"


def rows(config: SolveConfig, kind: Any) -> Mesh | None:
    """The devices that share the rows of images, where that is asked for.

    Raises:
        InputError: the method or the settings do not go with it, or there is one alone.
    """
    if config.mesh == "none":
        return None
    if not issubclass(kind, Method) or config.posterior:
        raise InputError(
            f"--mesh=rows: has no use with the method {kind.name}, which draws;"
            " expected one that iterates; leave it out"
        )
    if config.tile not in (AUTO, 0):
        raise InputError(
            f"--mesh=rows: does not go with --tile={config.tile}; leave one of them out"
        )
    mesh = rows_mesh()
    if mesh.size == 1:
        raise InputError(
            "--mesh=rows: expected several devices, there is 1; leave it out, or"
            " --tile=1024 where memory is short"
        )
    return mesh


def savings(
    config: SolveConfig, kind: Any, prior: Any, problem: Problem, tile: int
) -> list[str]:
    """Settings that take less of a device's memory for an image.

    On processors, whose devices share one memory and compute in float32, neither of
    the last two does.

    Args:
        config: the settings that it was too much with.
        kind: class of the solver.
        prior: its model.
        problem: the image.
        tile: side of tiles that would take less, 0: none would.
    """
    found = [f"--tile={tile}"] if tile and config.mesh == "none" else []
    if is_processor(jax.devices()[0]):
        return found
    network: Any = getattr(prior, "config", None)
    if config.mesh == "none":
        with suppress(InputError):
            mesh: Any = rows(replace(config, mesh="rows"), kind)
            problem.shared(mesh.size, getattr(network, "stride", 1))
            found.append("--mesh=rows")
    if getattr(network, "compute_dtype", "bfloat16") != "bfloat16":
        found.append("--compute_dtype=bfloat16")
    return found
