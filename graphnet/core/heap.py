"""Freed memory stays with the process, where operations allocate and free many large arrays in turn."""

from __future__ import annotations

from functools import cache

import numpy as np

#: glibc maps arrays from 128 KiB on, and gives the end of the heap back to the system once 128 KiB of it are free. Once
#: a mapped array has been freed, it takes arrays up to that size from the heap, and gives back only what exceeds twice
#: that size. 32 MiB is the most for which it does so.
LARGEST = 31 << 20


@cache
def keep_freed() -> None:
    """Let the C library keep up to 62 MB of freed memory for the next arrays, from now on.

    Without it the pages of every array of a chunkwise recurrence come from the system, zeroed, one page fault each:
    more time than the products of matrices take. The array here is never touched, so it has no pages. Other C libraries
    do not mind.
    """
    np.empty(LARGEST, np.uint8)
