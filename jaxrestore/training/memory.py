"""Memory that a training step frees is kept for the next one."""

import ctypes

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_PAD = 64 * 2**20


def keep_freed_memory() -> bool:
    """Have the C library hand nothing back to the system before the process ends.

    A training step on the CPU allocates and frees hundreds of megabytes. By default
    glibc maps large blocks anew each time, and the system zeroes their pages at first
    touch: a quarter of the time of a small autoencoder's step. Of use where all steps
    allocate alike; the process stays as large as it was at its largest.

    Call it before the threads that allocate are started. Elsewhere than on glibc it
    does nothing.

    Returns:
        Whether the C library did as it was told.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    # One arena: those of threads are mapped memory of limited size.
    wanted = {_ARENA_MAX: 1, _MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _TOP_PAD: _PAD}
    return all(mallopt(name, value) for name, value in wanted.items())
