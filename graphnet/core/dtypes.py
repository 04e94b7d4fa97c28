"""Which dtypes graphnet computes in, and how arrays come in from users."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.errors import DtypeError
from graphnet.core.parameter import Array

KEPT = ("float32", "float64")


def name(dtype: Any, where: str | None = None) -> str:
    """``'float32'`` or ``'float64'`` for any spelling of the two.

    Raises
    ------
    DtypeError
        For every other dtype.
    """
    try:
        found = str(np.dtype(dtype).name)
    except TypeError:
        found = repr(dtype)
    if found not in KEPT:
        raise DtypeError("not a dtype that can be kept", where=where, expected=" or ".join(KEPT), received=found)
    return found


def as_array(value: Any, where: str, *, integer: bool = False) -> Array:
    """``value`` (array, list, number) as a numpy array of a dtype that graphnet takes, without copying when it can.

    Whole numbers and booleans pass; whoever computes converts them to the dtype in use. With ``integer`` only whole
    numbers pass.

    Raises
    ------
    DtypeError
        For complex, half and extended precision, text, objects and ragged lists.
    """
    try:
        array: Array = np.asarray(value)
    except ValueError as error:
        raise DtypeError(
            "cannot be read as one array",
            where=where,
            expected="rows of equal length",
            received=str(error),
            remedy="Pad rows to one length and give their lengths.",
        ) from error
    if integer and array.dtype.kind not in "iu":
        raise DtypeError("takes whole numbers", where=where, expected="an integer dtype", received=array.dtype.name)
    if array.dtype.kind not in "biu" and array.dtype.char not in "fd":
        raise DtypeError(
            "has a dtype that cannot be kept",
            where=where,
            expected="float32, float64 or whole numbers",
            received=array.dtype.name,
            remedy="Convert it with .astype(numpy.float64), or float32, if that loses nothing that matters.",
        )
    if array.dtype.kind == "f" and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array
