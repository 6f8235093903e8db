"""Signs of life: a progress bar over the steps of one image."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from jaxrestore.solvers.restore import Progress

# Terminals show the bar at once and often; log files after half a minute, and seldom.
_TERMINAL = {"delay": 0, "mininterval": 0.2}
_FILE = {"delay": 30, "mininterval": 30, "ascii": True, "ncols": 79}


@contextmanager
def steps(max_steps: int, doing: str = "compiling") -> Iterator[Progress]:
    """A progress callback for `restore`, with steps, change and time left.

    Args:
        max_steps: at most.
        doing: what is shown until the first call.
    """
    how = _TERMINAL if sys.stderr.isatty() else _FILE
    with tqdm(total=max_steps, unit="step", desc=doing, leave=False, **how) as bar:

        def report(done: int, change: float) -> None:
            bar.set_description_str("at most", refresh=False)
            bar.set_postfix_str(f"change {change:.1e}", refresh=False)
            bar.update(done - bar.n)

        yield report
