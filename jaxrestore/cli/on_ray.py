"""Ray Data as the engine of solve: the processes of a cluster restore the images."""

import importlib
import json
import logging
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxrestore.cli.entry import keep_compiled_programs
from jaxrestore.cli.items import Item
from jaxrestore.cli.side_by_side import at_once
from jaxrestore.cli.solve_config import AUTO, SolveConfig, schema
from jaxrestore.cli.worker import Worker
from jaxrestore.errors import InputError
from jaxrestore.report.summary import device
from jaxrestore.settings import as_dict, bind, checks, plain

# How often a task that its process did not survive is tried again; Ray: forever.
_RETRIES = 3
_GROUP = 16  # images of a task with --batch=auto: what a process that dies loses


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
    worker: Worker,
    config: SolveConfig,
    output: Path,
    *more: Any,
) -> Iterator[dict[str, Any]]:
    """What `Worker` makes of each image, in the order in which they are finished.

    With "told" in each: the arguments of `Tell`, one for each line that its process
    would have said.

    A task is a few images that share a program, as `batch` says, and its entries come
    together: of a process that dies, another does the task that it was at.

    Args:
        items: the images.
        workers: how many processes, each with a GPU of its own where the cluster has
            any; 0: one for each GPU, or for each machine where there is none.
        begin: called once the cluster is known to be of use.
        worker: this machine's, whose program all must have; restores nothing.
        config, output, *more: arguments of `Worker`.

    Raises:
        InputError: the cluster has not as many, or none of them can do the work.
    """
    known = checks(type(config))
    values = {k: v for k, v in as_dict(config).items() if k in known}
    given = values, str(output), *more
    with _cluster() as ray:
        size, each = _share(ray, workers)
        begin()
        most = _most(worker.chosen.kind, config, "num_gpus" in each)
        rows = [{"task": _text(group)} for group in _groups(worker, items, most, size)]
        data = ray.data
        data.DataContext.get_current().enable_progress_bars = False
        dataset = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            RayWorker,
            batch_size=1,
            fn_constructor_args=(os.getcwd(), worker.program, *given),
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


def _most(kind: Any, config: SolveConfig, gpus: bool) -> int:
    """How many images are a task at most, for processes of one device each."""
    most = at_once(kind, config, 1, processor=not gpus)
    return min(most, _GROUP) if config.batch == AUTO else most


def _groups(
    worker: Worker, items: Sequence[Item], most: int, size: int
) -> Iterator[Sequence[Item]]:
    """Images that share a program, so many at most, and spread over the processes."""
    most = min(most, -(-len(items) // size))
    for alike in worker.alike(items) if most > 1 else [items]:
        yield from (alike[i : i + most] for i in range(0, len(alike), most))


def _text(items: Iterable[Item]) -> str:
    """A task, as `RayWorker` takes it."""
    return json.dumps([[item.name, str(item.path or "")] for item in items])


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
        """Restores the images of tasks, the column "task"; entries as JSON texts."""
        tasks = map(json.loads, batch["task"].tolist())
        found = [entry | self._place for task in tasks for entry in self._entries(task)]
        return {"entry": [json.dumps(plain(entry)) for entry in found]}

    def _entries(self, task: Iterable[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        """Images' entries with what was told of them, for the command to say."""
        self._told.clear()  # of a task that ended early
        items = [Item(name, Path(path) if path else None) for name, path in task]
        for entry in list(self._worker(items)):
            told = [line for line in self._told if line[0] == entry["name"]]
            yield entry | {"told": told}

    def _note(self, *line: Any) -> None:
        self._told.append(line)
