"""What a run is busy with, said while it takes long."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

from tqdm import tqdm

_PATIENCE = 3.0  # seconds without a word


@contextlib.contextmanager
def announced(what: str, hint: str, shown: bool = True) -> Iterator[None]:
    """Say on standard error what takes longer than a few seconds, and how long it took.

    Args:
        what: begins the line.
        hint: what is known about its time.
        shown: False says nothing.
    """
    timer = threading.Timer(_PATIENCE, _say, [f"{what} ({hint}) ..."])
    timer.daemon, begin = True, time.monotonic()
    if shown:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if shown and (seconds := time.monotonic() - begin) > _PATIENCE:
        _say(f"{what}: done in {seconds:.0f} s")


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
