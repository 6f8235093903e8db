"""The folder of arrays that the authors' code made."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

_DEFAULT = Path(__file__).parent.parent / "goldens" / "vble_glow"


def pytest_addoption(parser):
    parser.addoption(
        "--goldens",
        default=str(_DEFAULT),
        help="folder of .npz files as in %(default)s",
    )


def pytest_configure(config):
    """A folder of one's own is worth the slow tests, too."""
    given = config.getoption("--goldens", str(_DEFAULT)) != str(_DEFAULT)
    if given and config.option.markexpr == "not slow":
        config.option.markexpr = ""


class Golden(NamedTuple):
    """The arrays of a file by name, and its configuration."""

    arrays: dict[str, np.ndarray]
    config: dict[str, Any]

    def starting(self, prefix: str) -> dict[str, np.ndarray]:
        """Those whose names start so, the rest of their names."""
        found = self.arrays.items()
        return {k.removeprefix(prefix): v for k, v in found if k.startswith(prefix)}

    def image(self, name: str) -> np.ndarray:
        """(..., C, H, W) as (..., H, W, C)."""
        return np.moveaxis(self.arrays[name], -3, -1)

    def close(self, name: str, value: Any, rtol: float = 1e-4) -> bool:
        """Assert that a value is the stored one, relative to its largest entry.

        False if this copy of the file holds no such array.
        """
        if name not in self.arrays:
            return False
        stored, value = self.arrays[name], np.asarray(value)
        if stored.ndim > 2 and value.shape != stored.shape:
            stored = np.moveaxis(stored, -3, -1)
        assert value.shape == stored.shape, name
        error = np.abs(np.asarray(value, np.float64) - stored).max()
        floor = 5 * np.max(self.arrays.get(f"err64/{name}", 0))
        allowed = max(rtol * np.abs(stored).max(), floor, 1e-7)
        assert error <= allowed, f"{name}: off by {error:.2e}, allowed {allowed:.2e}"
        return True


@pytest.fixture
def golden(request):
    """golden(name): a file of the folder that --goldens names."""
    folder = Path(request.config.getoption("--goldens", str(_DEFAULT)))

    def load(name: str) -> Golden:
        if folder == _DEFAULT and not (folder / f"{name}.npz").exists():
            pytest.skip(
                f"{name} is not among the copies, give its folder: --goldens=DIR"
            )
        with np.load(folder / f"{name}.npz") as file:
            arrays = dict(file)
        return Golden(arrays, json.loads(str(arrays.pop("config_json"))))

    return load
