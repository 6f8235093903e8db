"""One image over several devices, from the command line."""

import jax
import numpy as np
import pytest

from jaxrestore.cli import chosen, room
from jaxrestore.data.images import read_image
from jaxrestore.mesh import rows_mesh

pytestmark = pytest.mark.skipif(jax.device_count() < 8, reason="needs eight devices")
GIVEN = ("--config=denoise", "--noise_std=0.1", "--nocheck", "--no_figures")


def test_rows_of_any_number_are_shared(run, photo, tmp_path, monkeypatch):
    """The canvas is as tall as eight devices share, the result the image's own."""
    source, seen = photo("a.png", (30, 20, 3)), []

    def restored(*flags):
        folder = tmp_path / str(len(flags))
        assert run(*GIVEN, f"--input={source}", *flags, output=folder)[0] == 0
        return read_image(folder / "a" / "restored.png").pixels

    alone, own = restored(), chosen.restore
    monkeypatch.setattr(
        chosen,
        "restore",
        lambda *a, **k: seen.append((a[1].y.shape, k["mesh"])) or own(*a, **k),
    )
    shared = restored("--mesh=rows")
    ((shape, mesh),) = seen
    assert mesh.size == 8 and shape[0] % (8 * 64) == 0 and shape[1] == 20
    np.testing.assert_allclose(shared, alone, atol=1.01 / 255)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--mesh=columns",), "config.mesh=columns"),
        (("--mesh=rows", "--tile=512"), "does not go with --tile=512"),
        (
            ("--mesh=rows", "--config=gaussian_deblur", "--simulate"),
            "30 rows do not split over 8 devices",
        ),
    ],
)
def test_what_cannot_be_shared(run, photo, flags, named):
    source = photo("a.png", (30, 20, 3))
    code, _, messages = run(*GIVEN[2:], f"--input={source}", *flags)
    assert code != 0 and named in messages


def test_one_device_has_nothing_to_share(run, photo, monkeypatch):
    monkeypatch.setattr(room, "rows_mesh", lambda: rows_mesh(jax.devices()[:1]))
    code, _, messages = run(*GIVEN, f"--input={photo('a.png')}", "--mesh=rows")
    assert code == 2 and "there is 1" in messages
