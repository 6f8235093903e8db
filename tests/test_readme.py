"""README's Python runs as printed."""

import re
from pathlib import Path

import pytest

from jaxrestore.metrics import psnr
from jaxrestore.solvers import Status

pytestmark = pytest.mark.slow

README = Path(__file__).parent.parent / "README.md"


def test_the_snippet_restores():
    (snippet,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    found: dict = {}
    exec(snippet, found)
    before = psnr(found["observation"].y, found["photograph"])
    assert psnr(found["result"].mean, found["photograph"]) > before + 2
    assert found["result"].status in (Status.CONVERGED, Status.MAX_STEPS)
