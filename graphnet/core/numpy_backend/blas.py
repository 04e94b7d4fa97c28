"""numpy's BLAS on a processor that it does not know.

OpenBLAS chooses its kernels by the processor's family. Families newer than itself get those for AVX2, also where the
processor has AVX-512 (OpenBLAS 0.3.31 on AMD's family 26: half the speed of the other kernels there, see
docs/performance.md). Nothing is done where OpenBLAS knows the processor, where the user has set OPENBLAS_CORETYPE, or
where GRAPHNET_BLAS=asis.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from functools import cache
from pathlib import Path

import numpy as np

#: Kernels for AVX2 that OpenBLAS falls back to, and those for AVX-512.
FALLBACK, WIDE = "gotoblas_HASWELL", "gotoblas_SKYLAKEX"
CORETYPE = "OPENBLAS_CORETYPE"


@cache
def widen() -> str:
    """Let numpy's OpenBLAS use the processor's full width, once; says in a word or two what was done.

    Called when graphnet is imported, before it computes anything: no product is under way in this thread. The results
    of float products may differ in the last bits from those before.
    """
    if os.environ.get("GRAPHNET_BLAS") == "asis" or os.environ.get(CORETYPE):
        return "as set"
    if not _wide_processor():
        return "as it is"
    for path in (Path(np.__file__).parent.parent / "numpy.libs").glob("*openblas*"):
        if _switched(path):
            return "AVX-512 kernels"
    return "as it is"


def _wide_processor() -> bool:
    """Whether the processor has the instructions that the wide kernels need."""
    try:
        features = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    except (ImportError, AttributeError):
        return False
    return all(features.get(name, False) for name in ("AVX512_SKX", "FMA3"))


def _switched(path: Path) -> bool:
    """Make one library choose its kernels again, by the name of those that fit; False where it need or can not."""
    try:
        library = ctypes.PyDLL(str(path))  # holds the interpreter's lock: no other Python thread multiplies meanwhile
        chosen = ctypes.c_void_p.in_dll(library, "gotoblas")
        narrow, wide = (ctypes.addressof(ctypes.c_char.in_dll(library, name)) for name in (FALLBACK, WIDE))
        leave, choose = library.gotoblas_dynamic_quit, library.gotoblas_dynamic_init
    except (OSError, AttributeError, ValueError):
        return False
    if chosen.value != narrow:
        return False
    os.environ[CORETYPE] = "SkylakeX"
    try:
        leave()
        choose()
    finally:
        del os.environ[CORETYPE]
    return chosen.value == wide
