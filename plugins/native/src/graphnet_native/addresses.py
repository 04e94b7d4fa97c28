"""The address of an array's first number, at the price of a pass of a small model."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.core.compile.program import InvalidProgram

Array = Any
#: Where an object of numpy.ndarray has the pointer to its data: behind the reference count and the type, by the C
#: interface of numpy (``PyArrayObject_fields``), which its macros compile into every extension.
OFFSET = 2 * ctypes.sizeof(ctypes.c_void_p)
#: The bits of ``array.flags.num`` that native code needs: without gaps, rows first, and aligned.
SUITABLE = 0x101


def _slow(array: Array) -> int:
    """By numpy's own attribute, which makes two objects."""
    return int(array.ctypes.data)


def _fast() -> Callable[[Array], int]:
    """A read from the object, which takes a tenth of the time, if it gives the same for some arrays."""
    pointer = ctypes.c_void_p.from_address

    def read(array: Array, identity: Callable[[Any], int] = id, offset: int = OFFSET) -> int:
        return pointer(identity(array) + offset).value or 0

    base = np.zeros(64, np.float32)
    for array in (base, base[3:], base[::-2], base.reshape(8, 8).T, np.zeros(3), np.zeros((), bool)):
        if object.__sizeof__(array) < OFFSET + ctypes.sizeof(ctypes.c_void_p) or read(array) != _slow(array):
            return _slow
    return read


address: Callable[[Array], int] = _fast()
#: Whether ``ctypes.c_void_p.from_address(id(array) + OFFSET).value`` is the address.
FAST = address is not _slow
address.__doc__ = "The address of the first number of an array of numpy, which must stay alive while it is used."


def ready(array: Array, dtype: np.dtype[Any], shape: tuple[int, ...] | None) -> Array:
    """The array, or a copy, without gaps, aligned and of a dtype: what native code may read by its address.

    Raises
    ------
    InvalidProgram
        If it does not have the shape (None: any) that native code was made for.
    """
    if shape is not None and array.shape != shape:
        raise InvalidProgram(f"an array of shape {array.shape} where native code reads one of shape {shape}")
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype == dtype:
        return array
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])
