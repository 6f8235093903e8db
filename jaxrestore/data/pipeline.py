"""The endless, shuffled, checkpointable stream of training batches (Grain).

Patch number i of a stream depends on the seed and on i alone, and batch number b of the
whole job holds the patches b * B ... b * B + B - 1. Several processes cut consecutive
parts out of the same batches, so their number changes nothing about the data. Several
streams in a batch have orders and crops of their own: nothing pairs them.
"""

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import grain
import numpy as np
from absl import flags

from jaxrestore.data.config import DataConfig
from jaxrestore.data.patches import RandomPatch

_NEXT_STREAM = 2**31  # seeds of a config are below


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
    *,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator:
    """Stream this process's part of the batches.

    Args:
        sources: random-access sources of image pyramids by the name of their array
            in a batch, "image" first.
        data: the `data` section of the config (patch_size, scales, flip,
            dequantise, num_threads, num_workers).
        batch_size: patches of each array in a batch of the whole job, divisible by
            `process_count`.
        seed: fixes the order of images and every crop, scale, flip and noise.
        process_index: which part of each batch, counting from 0.
        process_count: how many processes share a batch.

    Returns:
        Iterator over {"image": float32 (batch_size / process_count, P, P, C) in
        [0, 1], ...}. Its state is the number of batches taken.
    """
    cut = RandomPatch(data.patch_size, len(data.scales), data.flip, data.dequantise)
    streams = {}
    for i, (name, source) in enumerate(sources.items()):
        images = grain.MapDataset.source(source).seed(seed + i * _NEXT_STREAM)
        streams[name] = images.shuffle().repeat().random_map(cut)
    local_size = batch_size // process_count
    stack = _StackPatches(streams, batch_size, process_index * local_size, local_size)
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
    **process: int,
) -> list[dict[str, np.ndarray]]:
    """The first `count` batches under a fixed seed, unflipped: always the same.

    Arguments and element shapes as for `training_batches`.
    """
    fixed = dataclasses.replace(data, flip=False, num_workers=0)
    batches = training_batches(sources, fixed, batch_size, seed=0, **process)
    try:
        return [next(batches) for _ in range(count)]
    finally:
        batches.close()
