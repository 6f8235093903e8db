"""The endless, shuffled, checkpointable stream of training batches (Grain).

Patch number i of a stream depends on the seed and on i alone, and batch number b of the
whole job holds the patches b * B ... b * B + B - 1. Several processes cut consecutive
parts out of the same batches, so their number changes nothing about the data. Several
streams in a batch have orders and crops of their own: nothing pairs them.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import grain
import numpy as np
from absl import flags

from jaxrestore.data.config import DataConfig

_NEXT_STREAM = 2**31  # seeds of a config are below


@dataclasses.dataclass(frozen=True)
class RandomPatch:
    """Cut a random patch at a random scale, flip it, and make it continuous.

    Attributes:
        patch_size: side in pixels.
        num_scales: how many scales to draw from, uniformly. A scale that the image
            is too small for falls back to its coarsest usable one.
        flip: mirror left-right with probability one half.
        dequantise: (v + u) / 256 with u uniform on [0, 1), the density that a bin
            of integers stands for; otherwise v / 255.
    """

    patch_size: int
    num_scales: int
    flip: bool = True
    dequantise: bool = True

    def __call__(
        self, pyramid: tuple[np.ndarray, ...], rng: np.random.Generator
    ) -> np.ndarray:
        """Draw one patch.

        Args:
            pyramid: uint8 arrays (H, W, C), finest first, each at least a patch.
            rng: source of all randomness.

        Returns:
            float32 (patch_size, patch_size, C) in [0, 1].
        """
        scale = int(rng.integers(self.num_scales))
        image = pyramid[min(scale, len(pyramid) - 1)]
        top = int(rng.integers(image.shape[0] - self.patch_size + 1))
        left = int(rng.integers(image.shape[1] - self.patch_size + 1))
        patch = image[top : top + self.patch_size, left : left + self.patch_size]
        if self.flip and rng.random() < 0.5:
            patch = patch[:, ::-1]
        if not self.dequantise:
            return patch.astype(np.float32) / np.float32(255)
        noise = rng.random(patch.shape, dtype=np.float32)
        return (patch + noise) / np.float32(256)


@dataclasses.dataclass(frozen=True)
class _StackPatches:
    """Batch index -> {"image": (local_size, P, P, C), ...}."""

    streams: dict[str, Any]
    batch_size: int
    start: int
    local_size: int

    def __call__(self, index: int) -> dict[str, np.ndarray]:
        first = index * self.batch_size + self.start
        return {
            name: np.stack([patches[first + i] for i in range(self.local_size)])
            for name, patches in self.streams.items()
        }


def training_batches(
    sources: Mapping[str, Any],
    data: DataConfig,
    batch_size: int,
    seed: int,
    process: tuple[int, int] = (0, 1),
) -> grain.DatasetIterator:
    """Stream this process's part of the batches.

    Args:
        sources: random-access sources of image pyramids by the name of their array
            in a batch, "image" first.
        data: the `data` section of the config (patch_size, scales, flip,
            dequantise, num_threads, num_workers).
        batch_size: patches of each array in a batch of the whole job, divisible by
            the number of processes.
        seed: fixes the order of images and every crop, scale, flip and noise.
        process: which part of each batch, counting from 0, and how many processes
            share a batch.

    Returns:
        Iterator over {"image": float32 (batch_size / processes, P, P, C) in
        [0, 1], ...}. Its state is the number of batches taken.
    """
    cut = RandomPatch(data.patch_size, len(data.scales), data.flip, data.dequantise)
    streams = {}
    for i, (name, source) in enumerate(sources.items()):
        images = grain.MapDataset.source(source).seed(seed + i * _NEXT_STREAM)
        streams[name] = images.shuffle().repeat().random_map(cut)
    index, count = process
    local = batch_size // count
    stack = _StackPatches(streams, batch_size, index * local, local)
    endless = sys.maxsize // batch_size - 1
    read = grain.ReadOptions(num_threads=data.num_threads, prefetch_buffer_size=4)
    batches = grain.MapDataset.range(endless).map(stack).to_iter_dataset(read)
    if data.num_workers:
        # Grain's workers read absl's global flags, which may not have been parsed.
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()
        options = grain.MultiprocessingOptions(num_workers=data.num_workers)
        batches = batches.mp_prefetch(options)
    return iter(batches)


def validation_batches(
    sources: Mapping[str, Any],
    data: DataConfig,
    batch_size: int,
    count: int,
    process: tuple[int, int] = (0, 1),
) -> list[dict[str, np.ndarray]]:
    """The first `count` batches under a fixed seed, unflipped: always the same.

    Arguments and element shapes as for `training_batches`.
    """
    fixed = dataclasses.replace(data, flip=False, num_workers=0)
    batches = training_batches(sources, fixed, batch_size, 0, process)
    with contextlib.closing(batches):
        return [next(batches) for _ in range(count)]
