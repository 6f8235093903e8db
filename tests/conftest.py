"""Eight simulated CPU devices and quick compilation, set before anything imports jax.

Most of the suite's time is compilation of small programs that run once: XLA optimises
little (`tests/` checks what is computed, `benchmarks/` how fast), and a cache that
lives as long as the suite keeps workers and command lines from compiling the same
again.
"""

import os
import shutil
import subprocess
import sys
import tempfile

import pytest

for _flag in (
    "--xla_force_host_platform_device_count=8",
    "--xla_backend_optimization_level=0",
):
    _flags = os.environ.get("XLA_FLAGS", "")
    if _flag.split("=")[0] not in _flags:
        os.environ["XLA_FLAGS"] = f"{_flags} {_flag}".strip()

# A third of the time of compilation; a jaxlib that does not know it would end here.
_QUICK = "--xla_cpu_use_fusion_emitters=false"
if _QUICK not in os.environ["XLA_FLAGS"] and "PYTEST_XDIST_WORKER" not in os.environ:
    _flags = f"{os.environ['XLA_FLAGS']} {_QUICK}"
    _tried = subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices('cpu')"],
        env={**os.environ, "XLA_FLAGS": _flags},
        capture_output=True,
    )
    if _tried.returncode == 0:
        os.environ["XLA_FLAGS"] = _flags

_CACHE = "JAX_COMPILATION_CACHE_DIR"
_owned = None
if _CACHE not in os.environ:  # a worker inherits its controller's
    _owned = os.environ[_CACHE] = tempfile.mkdtemp(prefix="jaxrestore-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"


def pytest_unconfigure():
    """Delete the cache of compiled programs."""
    if _owned:
        shutil.rmtree(_owned, ignore_errors=True)


def pytest_collection_modifyitems(items):
    """The longest files first, so that no worker ends alone with one."""
    items.sort(key=lambda item: "tests/training/" not in item.nodeid)


@pytest.fixture(autouse=True, scope="module")
def _release_programs():
    """Forget a module's compiled programs: they add up to gigabytes."""
    yield
    import jax

    jax.clear_caches()
