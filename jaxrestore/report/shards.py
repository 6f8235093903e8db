"""Which shard an image is of, and what of all shards is not there yet."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping


def shard_number(name: str, count: int) -> int:
    """The shard, from 0, of so many: by a hash of the name, the same everywhere."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % count


def missing(shards: Mapping[str, int], names: Iterable[str]) -> list[str]:
    """What is left to do, a line for each shard.

    Another number of shards may have finished a run: all shards of one number are
    enough.

    Args:
        shards: "0-of-4" -> how many images it is to restore.
        names: of images that are done.
    """
    expected: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for shard, images in shards.items():
        index, count = map(int, shard.split("-of-"))
        expected[count][index] = images
    names = list(names)
    left = [_left(count, known, names) for count, known in expected.items()]
    return min(left, key=len, default=[])


def count_of(shard: str) -> int:
    """4 of "0-of-4"."""
    return int(shard.rpartition("-")[2])


def _left(count: int, expected: Mapping[int, int], names: list[str]) -> list[str]:
    done = Counter(shard_number(name, count) for name in names)
    lines = []
    for index in range(count):
        if index not in expected:
            lines.append(f"shard {index}/{count} has not run")
        elif done[index] < expected[index]:
            share = f"{done[index]} of {expected[index]} images"
            lines.append(f"shard {index}/{count} has done {share}")
    return lines
