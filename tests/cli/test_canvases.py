"""Many sizes, few programs: canvases, and what is inside the frame."""

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.data.images import read_image
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.likelihoods.framed import framed, measured_canvas
from jaxrestore.operators import Blur, Downsample, Identity, Mask, kernels
from jaxrestore.operators.canvases import canvases, smallest

RNG = np.random.default_rng(0)
SHAPE = (14, 11, 2)


def test_few_canvases_hold_all_sizes():
    sizes = [tuple(map(int, size)) for size in RNG.integers(30, 400, (60, 2))]
    for most in (1, 4, 6):
        found = canvases(sizes, most, 16)
        assert 1 <= len(found) <= most
        assert all(side % 16 == 0 for canvas in found for side in canvas)
        placed = [smallest(size, found) for size in sizes]
        assert None not in placed and set(placed) <= set(found)
    assert smallest((401, 10), [(400, 400)]) is None
    # Both orientations of one camera are not put on a square.
    assert canvases([(300, 200)] * 9 + [(200, 300)] * 9 + [(290, 190)], 2) == [
        (200, 300),
        (300, 200),
    ]


def test_a_plan_for_many_sizes_is_made_at_once():
    rng = np.random.default_rng(1)
    sizes = [tuple(map(int, size)) for size in rng.integers(100, 4000, (400, 2))]
    begin = time.process_time()
    assert len(canvases(sizes, 6, 16)) == 6
    assert time.process_time() - begin < 2


def known(name):
    kernel = jnp.asarray(kernels.gaussian(5, 1.0), jnp.float32)
    mask = (RNG.random((*SHAPE[:2], 1)) > 0.4).astype(np.float32)
    return {
        "identity": lambda: Identity(),
        "mask": lambda: Mask(jnp.asarray(mask)),
        "blur": lambda: Blur(kernel).unknown_boundary(SHAPE),
        "downsample": lambda: Downsample(kernel, 2).unknown_boundary(SHAPE),
    }[name]()


@pytest.mark.parametrize("name", ["identity", "mask", "blur", "downsample"])
def test_the_data_step_is_the_same_inside_the_frame(name):
    """What lies beyond the operator's own canvas touches nothing that was measured."""
    operator = known(name)
    y = RNG.random(SHAPE).astype(np.float32)
    own = Observation(jnp.asarray(y), operator, GaussianNoise(jnp.float32(0.05)))
    size = measured_canvas(operator, SHAPE)
    larger = framed(own, (size[0] + 7, size[1] + 10))
    height, width, _ = own.image_shape
    centre = jnp.asarray(RNG.random(larger.image_shape), jnp.float32)
    expected = jax.jit(lambda v: own.prox(v, 0.1**2))(centre[:height, :width])
    found = jax.jit(lambda v: larger.prox(v, 0.1**2))(centre)
    np.testing.assert_allclose(found[:height, :width], expected, atol=2e-5)
    x = jnp.asarray(RNG.random(larger.image_shape), jnp.float32)
    seen = operator(x[:height, :width])
    np.testing.assert_allclose(larger.operator(x).sum(), seen.sum(), rtol=1e-5)


def test_periodic_operators_stay_as_they_are():
    assert measured_canvas(Blur(jnp.ones((3, 3)) / 9), SHAPE) is None


@pytest.mark.slow
def test_a_folder_of_many_sizes_compiles_few_programs(run, photo, tmp_path):
    """And its images are, off the border, those of runs of their own size."""
    for i in range(4):
        photo(f"in/{i}.png", (20 + 3 * i, 40 - 2 * i, 3), i)
    given = ("--config=denoise", "--simulate", f"--input={tmp_path / 'in'}")
    given += ("--no_figures", "--nocheck")
    programs = sys.modules["jaxrestore.solvers.restore"]._proceed
    programs.clear_cache()
    assert run(*given, "--programs=1", output=tmp_path / "few")[0] == 0
    assert programs._cache_size() == 1
    programs.clear_cache()
    assert run(*given, output=tmp_path / "own")[0] == 0
    assert programs._cache_size() == 4
    records = json.loads((tmp_path / "few" / "summary.json").read_text())["images"]
    assert all(len(record["canvas"]) == 2 for record in records)
    for i in range(4):
        few, own = (
            read_image(tmp_path / folder / str(i) / "restored.png").pixels
            for folder in ("few", "own")
        )
        assert few.shape == own.shape
        # The toy prior wraps around: at its own size it sees the other side.
        np.testing.assert_allclose(few[:, 4:-4], own[:, 4:-4], atol=1.01 / 255)
