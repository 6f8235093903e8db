"""What a run is busy with, said while it takes long."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

from tqdm import tqdm

_PATIENCE = 3.0  # seconds without a word


class Notices:
    """Lines on standard error about what takes longer than a few seconds.

    Args:
        shown: False says nothing, on all processes but the first.
    """

    def __init__(self, shown: bool):
        self._shown = shown
        self._seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, what: str, hint: str = "") -> Iterator[None]:
        """Announce `what` if the block takes long, and how long it took last time.

        Args:
            what: begins the line.
            hint: what is known about the first time.
        """
        before = self._seconds.get(what)
        known = hint if before is None else f"took {before:.0f} s last time"
        timer = threading.Timer(_PATIENCE, _say, [f"{what} ({known}) ..."])
        timer.daemon, begin = True, time.monotonic()
        if self._shown:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
        self._seconds[what] = seconds = time.monotonic() - begin
        if self._shown and seconds > _PATIENCE:
            _say(f"{what}: done in {seconds:.0f} s")

    def first(self, what: str, hint: str) -> contextlib.AbstractContextManager:
        """As a call, but the first time alone."""
        known = what in self._seconds
        return contextlib.nullcontext() if known else self(what, hint)


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
