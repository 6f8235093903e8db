"""Ray Data as the engine of solve: the processes of a cluster restore the images."""

import importlib
import json
import logging
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxrestore.cli.entry import keep_compiled_programs
from jaxrestore.cli.items import Item
from jaxrestore.cli.solve_config import SolveConfig, schema
from jaxrestore.cli.worker import Worker
from jaxrestore.errors import InputError
from jaxrestore.report.summary import device
from jaxrestore.settings import as_dict, bind, checks, plain

# How often an image that its process did not survive is tried again; Ray: forever.
_RETRIES = 3


def check_ray() -> Any:
    """The module `ray` with `ray.data`.

    Raises:
        InputError: it is not installed.
    """
    try:
        importlib.import_module("ray.data")
        return importlib.import_module("ray")
    except ImportError as error:
        raise InputError(
            f"--engine=ray: cannot be imported ({error}); pip install 'jaxrestore[ray]'"
        ) from error


def restored(
    items: Sequence[Item],
    workers: int,
    begin: Callable[[], None],
    program: Mapping[str, Any],
    config: SolveConfig,
    output: Path,
    *more: Any,
) -> Iterator[dict[str, Any]]:
    """What `Worker` makes of each image, in the order in which they are finished.

    With "told" in each: the arguments of `Tell`, one for each line that its process
    would have said.

    An image is a task of its own: of a process that dies, another restores the image
    that it was at.

    Args:
        items: the images.
        workers: how many processes, each with a GPU of its own where the cluster has
            any; 0: one for each GPU, or for each machine where there is none.
        begin: called once the cluster is known to be of use.
        program: `Worker.program` of this machine, which all must have.
        config, output, *more: arguments of `Worker`.

    Raises:
        InputError: the cluster has not as many, or none of them can do the work.
    """
    known = checks(type(config))
    values = {k: v for k, v in as_dict(config).items() if k in known}
    rows = [{"name": item.name, "path": str(item.path or "")} for item in items]
    with _cluster() as ray:
        size, each = _share(ray, workers)
        begin()
        data = ray.data
        data.DataContext.get_current().enable_progress_bars = False
        dataset = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            RayWorker,
            batch_size=1,
            fn_constructor_args=(os.getcwd(), program, values, str(output), *more),
            compute=data.ActorPoolStrategy(size=min(size, len(rows))),
            max_task_retries=_RETRIES,
            **each,
        )
        try:
            # Nothing is fetched ahead: what is finished is recorded at once.
            for batch in dataset.iter_batches(batch_size=None, prefetch_batches=0):
                yield from map(json.loads, batch["entry"])
        except ray.exceptions.RayError as error:
            last = str(error).strip().splitlines()[-1]
            raise InputError(
                f"--engine=ray: a worker cannot go on ({last}); expected jaxrestore and"
                " the same folders on all machines, see the cluster's logs"
            ) from error


@contextmanager
def _cluster() -> Iterator[Any]:
    """The module `ray`, connected: to the cluster there is, else to one of its own.

    There is one where the process is connected already, RAY_ADDRESS names it, or
    `ray start` was called on this machine.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = check_ray()
    own = not ray.is_initialized()
    if own:
        _connect(ray)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()


def _connect(ray: Any) -> None:
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (ValueError, ConnectionError, RuntimeError, SystemExit) as error:
        raise InputError(
            f"--engine=ray: no cluster (RAY_ADDRESS={address or 'not set'}:"
            f" {str(error).strip().splitlines()[0]}); set RAY_ADDRESS to one that runs,"
            " or unset it"
        ) from error


def _share(ray: Any, workers: int) -> tuple[int, dict[str, int]]:
    """How many processes, and what each of them has of the cluster."""
    resources = ray.cluster_resources()
    gpus, cpus = (int(resources.get(kind, 0)) for kind in ("GPU", "CPU"))
    size = workers or gpus or sum(node["Alive"] for node in ray.nodes())
    if size > (gpus or cpus):
        has = f"{gpus} GPUs" if gpus else f"{cpus} CPUs"
        raise InputError(
            f"--workers={workers}: the cluster has {has}, expected at most as many;"
            " leave it out, or enlarge the cluster"
        )
    return size, {"num_gpus": 1} if gpus else {"num_cpus": 1}


class RayWorker:
    """A `Worker` as `map_batches` of Ray Data constructs it in a process of its own.

    Args:
        folder: the working directory, which paths are relative to.
        program: weights and versions that this process must have, too.
        values: of the settings.
        output, *more: further arguments of `Worker`.
    """

    def __init__(
        self,
        folder: str,
        program: Mapping[str, Any],
        values: Mapping[str, Any],
        output: str,
        *more: Any,
    ):
        os.chdir(folder)
        keep_compiled_programs()
        self._told: list[tuple[str, str, bool]] = []
        config, given = bind(schema(values), values), (Path(output), *more)
        self._worker = Worker(config, *given, tell=self._note)
        if self._worker.program != program:
            raise InputError(
                f"--engine=ray: {platform.node()} has other weights or versions,"
                f" {self._worker.program}; expected {dict(program)}"
            )
        place = {"host": platform.node(), "process": os.getpid()}
        self._place = {**place, "device": device()}

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Restores the images of a batch, columns "name" and "path"; JSON texts."""
        columns = (batch[key].tolist() for key in ("name", "path"))
        pairs = zip(*columns, strict=True)
        items = [Item(name, Path(path) if path else None) for name, path in pairs]
        found = [entry | self._place for item in items for entry in self._entries(item)]
        return {"entry": [json.dumps(plain(entry)) for entry in found]}

    def _entries(self, item: Item) -> Iterator[dict[str, Any]]:
        """An image's entry with what was told meanwhile, for the command to say."""
        for entry in self._worker([item]):
            yield entry | {"told": self._told}
            self._told = []

    def _note(self, *line: Any) -> None:
        self._told.append(line)
