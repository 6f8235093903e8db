"""Pages that were touched once are not asked of the system again."""

import subprocess
import sys

import pytest

_COUNT = """
import resource, sys, threading
if "keep" in sys.argv:
    from jaxrestore.training.memory import keep_freed_memory
    print("kept" if keep_freed_memory() else "no glibc")

def steps(n):
    for _ in range(n):
        block = b"x" * 2**26  # numpy would ask for huge pages
        del block

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def measured():
    steps(2)
    before = faults()
    steps(8)
    print(faults() - before)

thread = threading.Thread(target=measured)
thread.start()
thread.join()
"""


def _faults(*arguments):
    line = [sys.executable, "-c", _COUNT, *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def test_later_steps_find_their_pages():
    said, count = _faults("keep").split("\n")[:2]
    if said != "kept":
        pytest.skip("the C library is not glibc")
    assert int(count) < 500
    assert int(_faults()) > 10 * int(count) + 1000  # it would have been so without
