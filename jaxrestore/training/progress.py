"""What is shown of a run: a notice of what takes long, the bar, its metrics."""

import collections
import contextlib
import functools
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.training.config import TrainConfig
from jaxrestore.training.records import Records
from jaxrestore.training.stopping import StopRequest

# Steps dispatched ahead of the device: enough to hide the host, few enough that the
# progress bar and the clock tell the truth.
_STEPS_AHEAD = 2
# A run stops after whole windows, and at least so many steps, without an update.
_IDLE_STEPS = 5
_PATIENCE = 3.0  # seconds without a word


@contextlib.contextmanager
def announced(what: str, hint: str, shown: bool = True) -> Iterator[None]:
    """Say on standard error what takes longer than a few seconds, and how long it took.

    Args:
        what: begins the line.
        hint: what is known about its time.
        shown: False says nothing.
    """
    say = functools.partial(tqdm.write, file=sys.stderr)
    timer = threading.Timer(_PATIENCE, say, [f"{what} ({hint}) ..."])
    timer.daemon, begin = True, time.monotonic()
    if shown:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if shown and (seconds := time.monotonic() - begin) > _PATIENCE:
        say(f"{what}: done in {seconds:.0f} s")


class Progress:
    """Averages the metrics of every `log_every` steps and shows where training is.

    They are fetched without making the device wait.

    Args:
        config: of the run.
        start: step that training goes on from.
        records: where the averages go; None on all processes but the first, which
            then show no bar either.
        stop: tells the time left.
    """

    def __init__(
        self,
        config: TrainConfig,
        start: int,
        records: Records | None,
        stop: StopRequest,
    ):
        self._config, self._step = config, start
        self._records, self._stop = records, stop
        self._bar = tqdm(
            total=config.total_steps,
            initial=start,
            disable=records is None,
            unit="step",
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 30,
        )
        self._window: list[dict[str, jax.Array]] = []
        self._finished: tuple[int, list[dict[str, jax.Array]], float] | None = None
        self._ahead: collections.deque[jax.Array] = collections.deque()
        self._idle = 0  # steps of the last windows, if none was applied
        self.restart_clock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def restart_clock(self) -> None:
        """Leave the time since the last step out of the images per second."""
        self._started, self._timed_steps = time.monotonic(), 0

    def add(self, metrics: dict[str, jax.Array]) -> None:
        """Take the metrics of one more step, still being computed perhaps."""
        self._step += 1
        self._timed_steps += 1
        self._window.append(metrics)
        self._ahead.append(metrics["loss"])
        if len(self._ahead) > _STEPS_AHEAD:
            jax.block_until_ready(self._ahead.popleft())
        self._bar.update()
        # The window that ended one step ago: the device is busy with the next step
        # while its values are fetched.
        self.flush()
        if self._step % self._config.log_every == 0:
            seconds = max(time.monotonic() - self._started, 1e-9)
            rate = self._timed_steps * self._config.batch_size / seconds
            self._finished = (self._step, self._window, rate)
            self._window = []
            self.restart_clock()

    def flush(self) -> None:
        """Record a finished window now, before a checkpoint claims its step.

        Raises:
            InputError: every update of the window was skipped.
        """
        if self._finished is None:
            return
        step, window, rate = self._finished
        self._finished = None
        rows = jax.device_get(window)
        applied = [row for row in rows if row["applied"]]
        values = mean_of(applied or rows)
        del values["applied"]
        values |= {
            "skipped_updates": int(rows[-1]["skipped_updates"]),
            "images_per_second": rate,
        }
        if self._records is not None:
            self._records.write(step, values)
        self._show(values)
        self._idle = 0 if applied else self._idle + len(rows)
        if self._idle >= _IDLE_STEPS:
            raise InputError(_nothing_learned(step, self._idle, values))

    def _show(self, values: Mapping[str, float]) -> None:
        shown = {
            "loss": f"{values['loss']:.4g}",
            "img/s": f"{values['images_per_second']:.1f}",
        }
        if values["skipped_updates"]:
            shown["skipped"] = str(values["skipped_updates"])
        if np.isfinite(self._stop.seconds_left()):
            shown["stop_in"] = f"{max(self._stop.seconds_left(), 0) / 60:.0f} min"
        self._bar.set_postfix(shown, refresh=False)


def _nothing_learned(step: int, idle: int, values: Mapping[str, float]) -> str:
    loss, norm = values["loss"], values["gradient_norm"]
    remedy = "lower config.optimizer.learning_rate, look at config.loss and the images"
    if np.isfinite([loss, norm]).all():
        remedy = "raise config.skip_gradient_norm, which norms must stay below"
    return (
        f"step {step}: all of the last {idle} updates were skipped (mean loss"
        f" {loss:.3g}, gradient norm {norm:.3g}), nothing is learned; {remedy}"
    )


def mean_of(rows: list[Mapping[str, Any]]) -> dict[str, float]:
    """Average scalars by name; all rows have the same names."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
