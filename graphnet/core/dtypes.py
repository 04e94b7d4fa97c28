"""Which dtypes graphnet computes in, and how arrays come in from users."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core import array_types
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import DataError, DtypeError

#: Numbers that are converted at a time in order to see whether they can be.
BLOCK = 2**16
KEPT = ("float32", "float64")
#: What to do about arrays of other kinds, by numpy's letter for the kind.
REMEDIES = {
    "O": "Convert it with .astype(numpy.float64), once all are numbers. Sequences of different length go in a list.",
    "M": "Subtract a start and divide by a unit, such as (times - times[0]) / numpy.timedelta64(1, 's').",
    "m": "Divide it by a unit, such as numpy.timedelta64(1, 's').",
    "U": "Text is not converted: use .astype(numpy.float64), or number the categories.",
    "S": "Text is not converted: use .astype(numpy.float64), or number the categories.",
    "T": "Text is not converted: use .astype(numpy.float64), or number the categories.",
    "c": "Pass real and imaginary parts as two features.",
}
FIELDS = "Stack the fields along one axis: numpy.lib.recfunctions.structured_to_unstructured(array)."
OTHER = "Convert it with .astype(numpy.float64), or float32, if that loses nothing that matters."


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
    """``value`` (array, list, number) as a plain numpy array of a dtype that graphnet takes, not copied if it can be.

    Whole numbers and booleans pass; whoever computes converts them to the dtype in use (see :func:`converted`). With
    ``integer`` only whole numbers pass. Every array that a user gives comes in through here.

    Raises
    ------
    DtypeError
        For complex, half and extended precision, dates, text, objects, structured arrays and ragged lists; for masked
        arrays, sparse matrices, tensors that require a gradient and others whose numbers are not all that they hold:
        see :func:`graphnet.core.array_types.plain`.
    DataError
        If a list holds a whole number that would be rounded.
    """
    array = array_types.plain(value, where)
    if integer and array.dtype.kind not in "iu":
        raise DtypeError("takes whole numbers", where=where, expected="an integer dtype", received=array.dtype.name)
    if array.dtype.kind not in "biu" and array.dtype.char not in "fd":
        raise DtypeError(
            "has a dtype that cannot be kept",
            where=where,
            expected="float32, float64 or whole numbers",
            received=_received(array),
            remedy=FIELDS if array.dtype.names else REMEDIES.get(array.dtype.kind, OTHER),
        )
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _received(array: Array) -> str:
    """The dtype; of an array of objects also the first that is not a number."""
    if array.dtype.kind != "O":
        return str(array.dtype.name)
    for place, item in np.ndenumerate(array):
        if isinstance(item, bool) or not isinstance(item, (int, float, np.number)):
            return f"object: {repr(item)[:60]}{f' at {place}' if place else ''}"
    return "object"


def converted(array: Array, dtype: Any, where: str) -> Array:
    """``array`` in a floating dtype, not copied where it has it; fractions may be rounded to it.

    Raises
    ------
    DataError
        If a whole number cannot be held exactly, or a finite number becomes infinite.
    """
    wanted = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    if array.dtype.kind != "f":
        array_types.exact(array, wanted, where)
        return array.astype(wanted)
    try:
        with np.errstate(over="raise"):
            return array.astype(wanted)
    except FloatingPointError:
        raise _overflow(array, wanted, where) from None


def check_convertible(array: Array, dtype: Any, where: str) -> None:
    """Raise what :func:`converted` would raise, a block of rows at a time, so that nothing large is copied."""
    wanted = np.dtype(dtype)
    if array.dtype.kind in "iu":
        array_types.exact(array, wanted, where)
    if array.dtype.kind != "f" or array.dtype.itemsize <= wanted.itemsize or not array.size:
        return
    rows = max(1, BLOCK * len(array) // array.size)
    try:
        with np.errstate(over="raise"):
            for start in range(0, len(array), rows):
                array[start : start + rows].astype(wanted)
    except FloatingPointError:
        raise _overflow(array, wanted, where) from None


def _overflow(array: Array, wanted: np.dtype[Any], where: str) -> DataError:
    with np.errstate(over="ignore"):
        wrong = np.isinf(array.astype(wanted)) & np.isfinite(array)
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return DataError(
        f"a number is too large for {wanted.name}",
        where=f"{where}, at {place}",
        expected=f"at most {np.finfo(wanted).max:.7g} in magnitude",
        received=array[place],
        remedy="Scale the numbers, or compute in float64: dtype='float64' in TrainingConfig and in the layers.",
    )
