"""Flushes denormal numbers to zero while a program runs, because many processors are slow with them.

An error that decays over hundreds of steps ends in such numbers. The mode belongs to the thread and is always restored.
Where the C library does not give access to it, nothing is done.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from types import TracebackType

#: Flush results to zero, and take operands as zero: bits of the x86 register MXCSR.
FLUSH = 0x8000 | 0x0040
#: Where glibc's fenv_t has MXCSR on x86-64, and how long it is (the structure in bits/fenv.h).
OFFSET, LENGTH = 28, 32


class Flushed:
    """A context in which denormal numbers count as zero."""

    def __init__(self) -> None:
        self._library = LIBRARY
        self._before = ctypes.create_string_buffer(LENGTH)
        self._during = ctypes.create_string_buffer(LENGTH)

    def __enter__(self) -> None:
        if self._library is not None:
            self._library.fegetenv(self._before)
            ctypes.memmove(self._during, self._before, LENGTH)
            mode = ctypes.c_uint32.from_buffer(self._during, OFFSET)
            mode.value |= FLUSH
            self._library.fesetenv(self._during)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._library is not None:
            self._library.fesetenv(self._before)


def _library() -> ctypes.PyDLL | None:
    """The C library's floating-point environment, where its layout is known."""
    glibc = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64" or not glibc:
        return None
    try:
        library = ctypes.PyDLL("libm.so.6")
        for function in (library.fegetenv, library.fesetenv):
            function.argtypes = [ctypes.c_char_p]
    except (OSError, AttributeError):
        return None
    return library


LIBRARY = _library()
