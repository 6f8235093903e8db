"""Patches and the stream of batches."""

from dataclasses import replace

import numpy as np
import pytest

from jaxrestore.data.config import DataConfig
from jaxrestore.data.pipeline import (
    RandomPatch,
    training_batches,
    validation_batches,
)

RNG = np.random.default_rng(0)


class Source:
    """Images of several sizes; image i has the value i in its first channel."""

    def __init__(self, count=5):
        self.pyramids = []
        for i in range(count):
            side = 16 + 4 * i
            image = RNG.integers(0, 256, (side, side + 3, 3), dtype=np.uint8)
            image[..., 0] = i
            self.pyramids.append((image, image[: side // 2, : side // 2]))

    def __len__(self):
        return len(self.pyramids)

    def __getitem__(self, index):
        return self.pyramids[index]


@pytest.fixture
def data():
    return DataConfig(patch_size=8, scales=(1, 2), num_threads=2)


def take(batches, count):
    return [next(batches)["image"] for _ in range(count)]


def test_patch_is_a_window_of_the_image():
    image = np.arange(12 * 10, dtype=np.uint8).reshape(12, 10, 1)
    cut = RandomPatch(8, 1, flip=False, dequantise=False)
    seen = set()
    for seed in range(200):
        patch = np.rint(cut((image,), np.random.default_rng(seed)) * 255)
        top, left = divmod(int(patch[0, 0, 0]), 10)
        np.testing.assert_array_equal(patch, image[top : top + 8, left : left + 8])
        seen.add((top, left))
    assert len(seen) == 5 * 3  # every position


def test_flip_mirrors_half_of_the_patches():
    image = np.tile(np.arange(8, dtype=np.uint8)[None, :, None], (8, 1, 3))
    cut = RandomPatch(8, 1, flip=True, dequantise=False)
    firsts = [cut((image,), np.random.default_rng(s))[0, 0, 0] for s in range(400)]
    assert set(np.rint(np.array(firsts) * 255)) == {0, 7}
    assert 150 < np.count_nonzero(firsts) < 250


def test_dequantisation_fills_the_bin():
    image = np.full((8, 8, 3), 255, np.uint8)
    image[0] = 0
    cut = RandomPatch(8, 1, flip=False, dequantise=True)
    patch = cut((image,), np.random.default_rng(0))
    assert patch.dtype == np.float32
    assert patch[0].min() >= 0 and patch[0].max() < 1 / 256
    assert patch[1:].min() >= 255 / 256 and patch.max() <= 1
    assert np.unique(patch).size > 100


def test_missing_scales_fall_back():
    fine = np.zeros((9, 9, 3), np.uint8)
    coarse = np.full((8, 8, 3), 1, np.uint8)
    cut = RandomPatch(8, 3, dequantise=False)
    draws = range(300)
    one = [cut((fine,), np.random.default_rng(s)).max() for s in draws]
    two = [cut((fine, coarse), np.random.default_rng(s)).max() > 0 for s in draws]
    assert not np.any(one)
    assert 150 < np.count_nonzero(two) < 250  # scales 2 and 4, that is two thirds


def test_every_image_once_an_epoch(data):
    data = replace(data, scales=(1,), dequantise=False)
    batches = training_batches({"image": Source()}, data, 5, seed=3)
    epochs = take(batches, 4)
    orders = [tuple(np.rint(e[:, 0, 0, 0] * 255).astype(int)) for e in epochs]
    assert all(sorted(order) == list(range(5)) for order in orders)
    assert len(set(orders)) > 1


def test_batches_depend_on_the_seed_alone(data):
    source = Source()
    first = take(training_batches({"image": source}, data, 4, seed=1), 6)
    data = replace(data, num_threads=0)
    again = take(training_batches({"image": source}, data, 4, seed=1), 6)
    np.testing.assert_array_equal(first, again)
    other = take(training_batches({"image": source}, data, 4, seed=2), 6)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_position_is_restored(data):
    source = Source()
    batches = training_batches({"image": source}, data, 4, seed=1)
    take(batches, 3)
    state = batches.get_state()
    expected = take(batches, 3)
    fresh = training_batches({"image": source}, data, 4, seed=1)
    fresh.set_state(state)
    np.testing.assert_array_equal(take(fresh, 3), expected)


@pytest.mark.parametrize("count", [2, 4])
def test_processes_share_the_batches(data, count):
    source = Source()
    whole = take(training_batches({"image": source}, data, 8, seed=1), 3)
    streams = [
        training_batches({"image": source}, data, 8, seed=1, process=(i, count))
        for i in range(count)
    ]
    parts = [take(stream, 3) for stream in streams]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_validation_is_always_the_same(data):
    source = Source()
    first = validation_batches({"image": source}, data, 4, 2)
    second = validation_batches({"image": source}, data, 4, 2)
    assert len(first) == 2 and data.flip
    np.testing.assert_array_equal(first[1]["image"], second[1]["image"])
