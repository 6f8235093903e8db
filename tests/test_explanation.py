"""Signs that kernel and noise level are not what made the photograph."""

import numpy as np
import pytest
from scipy.signal import fftconvolve
from skimage import data

from jaxrestore.estimation.kernel.width import narrower_gain
from jaxrestore.evaluation.orientation import fits_better_turned
from jaxrestore.likelihoods.explanation import (
    EXCESS,
    GROWTH,
    explain,
    spectral_growth,
    stopband_excess,
)
from jaxrestore.operators import kernels

WIDE, NARROW = kernels.gaussian(25, 3.0), kernels.gaussian(15, 1.5)
MOTION = kernels.motion(15, 3)


def blurred(kernel, level=2.0, seed=0):
    """160 x 160 of a photograph, no border wrapped, rounded to 8 bits."""
    rows, columns = kernel.shape
    image = data.rocket()[100 : 259 + rows, 200 : 359 + columns]
    y = [fftconvolve(image[..., c].astype(float), kernel, "valid") for c in range(3)]
    noise = level * np.random.default_rng(seed).standard_normal((160, 160, 3))
    return np.clip(np.rint(np.stack(y, -1) + noise), 0, 255) / 255


def level_of(level=2.0):
    return np.sqrt(level**2 + 1 / 12) / 255


@pytest.mark.parametrize("kernel", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("level", [1.0, 2.0, 8.0])
def test_behind_the_right_kernel_there_is_noise_alone(kernel, level):
    excess = stopband_excess(blurred(kernel, level), kernel, level_of(level))
    assert 0.85 < excess < 1.15


@pytest.mark.parametrize("made", [NARROW, np.ones((1, 1))], ids=["less", "sharp"])
def test_detail_behind_the_kernel_is_seen(made):
    assert stopband_excess(blurred(made, 1.0), WIDE, level_of(1.0)) > EXCESS
    # A level that accounts for all of it explains it, too.
    assert stopband_excess(blurred(made), WIDE, 0.3) < EXCESS


def test_nothing_is_said_without_a_stop_band():
    assert stopband_excess(blurred(NARROW), np.ones((1, 1)), level_of()) == 1
    assert stopband_excess(np.zeros((8, 8, 1)), NARROW, 0.01) == 1


@pytest.mark.parametrize("level", [1.0, 8.0])
def test_a_scene_that_grows_is_none(level):
    y, told = blurred(NARROW, level), level_of(level)
    assert spectral_growth(y, NARROW, told) < 8
    assert spectral_growth(y, WIDE, told) > GROWTH
    assert spectral_growth(blurred(np.ones((1, 1)), level), NARROW, told) > GROWTH
    assert spectral_growth(blurred(MOTION, level), MOTION, told) < 8


def noise(shape=(96, 96, 3), level=5 / 255, seed=0):
    return level * np.random.default_rng(seed).standard_normal(shape)


def test_white_noise_of_the_told_level_is_explained():
    y = 0.5 + noise()
    found = explain(np.full_like(y, 0.5), y, 5 / 255)
    assert found.fits and found.level == pytest.approx(1, abs=0.02)
    assert abs(found.correlation) < 0.05 and found.unevenness < 1.3


def test_too_much_noise_is_not():
    y = 0.5 + noise(level=8 / 255)
    assert "stronger" in explain(np.full_like(y, 0.5), y, 5 / 255).reason


def test_a_pattern_is_not():
    y = 0.5 + noise(level=4 / 255)
    y[:, ::2] += 4.4 / 255  # weak, and the same down each column
    found = explain(np.full_like(y, 0.5) + 2.2 / 255, y, 5 / 255)
    assert "pattern" in found.reason and found.level < 1.1
    assert explain(np.full_like(y, 0.5) + 2.2 / 255, y, 5 / 255, white=False).fits


def test_a_corner_that_is_not_explained_is_seen():
    y = 0.5 + noise()
    y[:20, :40] += noise((20, 40, 3), 7 / 255, 1)
    found = explain(np.full_like(y, 0.5), y, 5 / 255)
    assert "parts" in found.reason and found.unevenness > 1.6


def test_what_was_not_seen_does_not_count():
    y = 0.5 + noise()
    seen = (np.random.default_rng(1).random((96, 96, 1)) > 0.5).astype(float)
    y = np.where(seen > 0, y, 7.0)
    assert explain(np.full_like(y, 0.5), y, 5 / 255, seen).fits


def test_a_kernel_the_wrong_way_round_is_seen():
    y = blurred(MOTION)
    assert not fits_better_turned(y, MOTION, level_of())
    assert fits_better_turned(y, MOTION[::-1, ::-1], level_of())
    assert not fits_better_turned(y, NARROW, level_of())  # has no wrong way


@pytest.mark.parametrize("level", [1.0, 5.0])
def test_a_kernel_far_too_wide_has_less_evidence_than_a_narrower_one(level):
    told = level_of(level)
    sharp = blurred(np.ones((1, 1)), level)
    assert min(narrower_gain(sharp, k, told) for k in (MOTION, WIDE)) > 0
    for kernel in (NARROW, WIDE, MOTION, MOTION[:, :-1]):
        assert narrower_gain(blurred(kernel, level), kernel, told) < -0.02


def test_evidence_says_nothing_without_edges():
    assert narrower_gain(np.full((160, 160, 1), 0.5), NARROW, level_of()) == -np.inf
    assert narrower_gain(blurred(NARROW)[:40, :40], WIDE, level_of()) == -np.inf


def test_grey_photographs_stored_in_colour_are_not_refused():
    from jaxrestore.cli.levels import levels
    from jaxrestore.cli.solve_config import SolveConfig

    for level in (1.0, 5.0):
        y = blurred(NARROW, level)[..., :1].repeat(3, -1)
        found, _ = levels(SolveConfig(), False, y, None, None)
        assert stopband_excess(y, NARROW, found.most) < EXCESS
        assert spectral_growth(y, NARROW, found.most) < GROWTH
