"""The C library's allocator, set for a model on a CPU."""

import ctypes
from contextlib import suppress

# Parameters of mallopt(3) in glibc, and the highest threshold it takes on a 64-bit machine.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
MMAP_BYTES = 32 * 1024 * 1024
TRIM_BYTES = 256 * 1024 * 1024


def keep_freed_memory() -> None:
    """Let this process keep up to 256 MiB that it has freed; without glibc this does nothing.

    By default large activations go back to the system after each block of a model, and are paged
    in anew for the next: tens of thousands of page faults in a fraction of a second.
    """
    with suppress(AttributeError, OSError, TypeError):  # no mallopt, or no C library by that name
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_THRESHOLD, MMAP_BYTES)
        library.mallopt(TRIM_THRESHOLD, TRIM_BYTES)
