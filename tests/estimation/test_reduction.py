"""The filter of a reduction, told from a spectrum that is known."""

import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.estimation.reduction import estimate_filter
from jaxrestore.operators.resize import FILTERS, resize_weights


def _natural(side, seed=0):
    """Noise with the power spectrum |f|^-2."""
    f = np.fft.fftfreq(side)
    radius = np.hypot(f[:, None], f)
    radius[0, 0] = np.inf
    noise = np.random.default_rng(seed).normal(size=(side, side))
    image = np.fft.ifft2(np.fft.fft2(noise) / radius).real
    return 0.5 + 0.15 * image / image.std()


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("name", FILTERS)
def test_no_filter_a_box_and_smooth_filters_are_told_apart(name, factor):
    side = 256 * factor
    weights = resize_weights(side, 256, name)
    small = weights @ _natural(side) @ weights.T
    small = np.round(255 * small[..., None]) / 255
    found, scores = estimate_filter(small, factor)
    assert found == (name if name in ("area", "nearest") else "bicubic")
    assert (scores["nearest"] < scores["bicubic"]) == (found != "bicubic")


def test_too_little_to_tell_by():
    with pytest.raises(InputError, match="take bicubic"):
        estimate_filter(np.zeros((31, 40, 3)))
    with pytest.raises(InputError, match="factor=1"):
        estimate_filter(np.zeros((64, 64, 3)), 1)
