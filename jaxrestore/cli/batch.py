"""Restoring the images of a run: skip, restore, record, report."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jaxrestore.cli import on_ray, outputs
from jaxrestore.cli.items import Item
from jaxrestore.cli.solve_config import SolveConfig
from jaxrestore.cli.worker import Teller, Worker, say
from jaxrestore.data.files import exclusive
from jaxrestore.errors import InputError
from jaxrestore.report import summary as records
from jaxrestore.report.table import score_table
from jaxrestore.settings import as_dict


class Batch:
    """A run of solve over its images.

    Args:
        config: the settings.
        output: folder for the results.
        simulate: the images are clean and are degraded first.
        overwrite: restore again what is already done.
        figures: write comparisons and curves, too.
        shard: "0-of-4", which part of the images this is; "" all.
        programs: most sizes that solvers are compiled for; 0: any.
        everything: the images of all shards, whose sizes are to share programs.
        workers: of a Ray cluster, 0: as it has; None: this process restores.

    Raises:
        InputError: a setting does not fit the prior, or the output folder holds other
            things.
    """

    def __init__(
        self,
        config: SolveConfig,
        output: Path,
        simulate: bool,
        overwrite: bool = False,
        figures: bool = True,
        shard: str = "",
        programs: int = 0,
        everything: Sequence[Item] = (),
        workers: int | None = None,
    ):
        self._config, self._output, self._overwrite = config, output, overwrite
        self._simulate, self._figures, self._shard = simulate, figures, shard
        self._workers = workers
        self._held = ExitStack()
        self._writing, self._count = False, 0
        self._failures: dict[str, str] = {}
        self._worker = Worker(config, output, simulate, figures)
        task, chosen = self._worker.task, self._worker.chosen
        shares = programs and chosen.shares_canvases
        if shares:
            self._worker.canvases = self._planned(programs, everything)
        header = {
            "config": as_dict(config),
            "simulated": simulate,
            **chosen.weights,
            "versions": records.versions(),
            "device": records.device() if workers is None else "each image's own",
            "notes": task.notes,
        }
        # Neither of these moves a result by more than rounding.
        free = "max_minutes", "tile", "mesh", "batch"
        free += () if simulate else ("stream",)
        config_ = {k: v for k, v in header["config"].items() if k not in free}
        decisive = [config_, header["simulated"], header["versions"]]
        decisive += [chosen.weights, records.array_hash(*task.contents())]
        # Not the canvases: what is done stays done when the folder's sizes change.
        decisive += [{"programs": programs}] if shares else []
        self._resumed = output / "summary.json", header, decisive, shard
        self._summary = records.Summary.resume(*self._resumed)

    def _planned(self, programs: int, images: Sequence[Item]) -> list[tuple[int, int]]:
        """The canvases, where that many sizes need fewer programs."""
        shapes = [shape for item in images if (shape := item.shape())]
        worker = self._worker
        return worker.task.canvases(shapes, programs, worker.chosen.stride)

    def run(self, images: Sequence[Item]) -> dict[str, str]:
        """Restores the images that are not done yet.

        Returns:
            name -> reason, for those that could not be restored.
        """
        self._count = len(images)
        for note in self._worker.task.notes:
            say(note)
        try:
            skipped = self._all(images)
            # A shard says that it ran, others sum up what shards did.
            if self._shard or self._summary.journals():
                self._hold()
        finally:
            self._done()
        self._report([item.name for item in images], skipped)
        return self._failures

    def _all(self, images: Sequence[Item]) -> list[str]:
        """Restores; names of those that were done before."""
        skipped = []
        single = len(images) == 1 and not self._shard  # its error ends the command
        hidden = True if single else None
        with tqdm(total=len(images), unit="image", disable=hidden) as bar:

            def left() -> Iterator[Item]:
                for item in images:
                    bar.set_description(item.name)
                    if self._is_done(item):
                        skipped.append(item.name)
                        bar.update()
                    else:
                        yield item

            for entry in self._entries(left()):
                self._take(entry, single)
                bar.update()
        return skipped

    def _entries(self, items: Iterable[Item]) -> Iterator[dict[str, Any]]:
        """What becomes of images: records, and errors."""
        if self._workers is None:
            yield from self._worker(items, self._hold)
        elif found := list(items):
            tell, canvases = Teller(), self._worker.canvases
            how = self._config, self._output, self._simulate, self._figures, canvases
            for entry in on_ray.restored(
                found, self._workers, self._hold, self._worker, *how
            ):
                for line in entry.pop("told"):
                    tell(*line)
                yield entry

    def _take(self, entry: dict[str, Any], single: bool) -> None:
        """Records an image, or why it was not restored."""
        name, reason = entry["name"], entry.get("error")
        if reason is None:
            self._summary.add(entry)
            return
        self._failures[name] = reason
        if self._output.is_dir():
            self._hold()
            self._summary.fail(name, reason)
        if not single:
            say(f"error: {name}: {reason}")

    def _hold(self) -> None:
        """Makes the folder this run's own, and sees what others did there meanwhile.

        Raises:
            InputError: another run writes there.
        """
        if self._writing:
            return
        self._held.enter_context(exclusive(self._output, "--output", self._shard))
        self._summary = records.Summary.resume(*self._resumed)
        self._summary.begin(self._count)
        self._writing = True
        for name, reason in self._failures.items():
            self._summary.fail(name, reason)

    def _done(self) -> None:
        """Sums up and lets go."""
        with self._held:
            if self._writing:
                self._summary.finish()

    def _is_done(self, item: Item) -> bool:
        """Whether it is restored already, and is not to be again."""
        if self._overwrite or item.name not in self._summary.records:
            return False
        try:
            digest = item.sha256()
        except InputError:  # for when its turn comes
            return False
        files = self._worker.files(item, self._summary.records[item.name])
        return self._summary.is_done(item.name, digest, files)

    def _report(self, names: Sequence[str], skipped: Sequence[str]) -> None:
        kept = [self._summary.records[n] for n in names if n in self._summary.records]
        if skipped:
            say(
                f"{len(skipped)} of {len(names)} done before with these settings and"
                " skipped; --overwrite restores them again"
            )
        if not kept:
            return
        print(score_table(kept))
        place = names[0] if len(kept) == 1 else "NAME"
        streamed = kept[0].get("streamed", False)
        files = ",".join(outputs.names(self._config, self._figures, streamed))
        print(f"Files: {self._output}/{place}/{{{files}}}")
        done = self._summary.journal if self._shard else self._summary.path
        print(f"Scores and settings: {done}")
