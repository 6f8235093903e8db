"""When to stop before the last step: a signal, or the time is over."""

import signal
import time
from types import FrameType

import jax
import numpy as np


class StopRequest:
    """Watches SIGTERM, SIGINT and the wall clock; a context manager.

    The first signal asks for an orderly stop, a second one acts as usual.

    Args:
        max_minutes: counted from the construction; may be inf.
    """

    def __init__(self, max_minutes: float):
        self._deadline = time.monotonic() + 60 * max_minutes
        self._signal: str | None = None
        self._previous = {}

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._previous[number] = signal.signal(number, self._receive)
            except ValueError:  # not in the main thread: the caller handles signals
                break
        return self

    def __exit__(self, *_):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._signal = signal.Signals(number).name
        signal.signal(number, self._previous[number] or signal.SIG_DFL)

    def seconds_left(self) -> float:
        """Until the time is over; inf without a limit."""
        return self._deadline - time.monotonic()

    def reason(self) -> str | None:
        """Why this process should stop now, or None."""
        if self._signal:
            return self._signal
        return "max_minutes" if self.seconds_left() <= 0 else None

    def agreed_reason(self) -> str | None:
        """The same for all processes of the job (a collective call)."""
        mine = self.reason()
        if jax.process_count() == 1:
            return mine
        from jax.experimental import multihost_utils

        asked = multihost_utils.process_allgather(np.asarray(mine is not None))
        return (mine or "another process stopped") if np.any(asked) else None
