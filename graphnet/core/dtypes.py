"""The dtypes that graphnet computes in, and the conversion of user arrays to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core import array_types
from graphnet.core.array_types import Array
from graphnet.core.errors import DataError, DtypeError

#: Elements per block of :func:`check_convertible`.
BLOCK = 2**16
SUPPORTED = ("float32", "float64")
#: Remedies for unsupported dtypes, by numpy's ``dtype.kind``.
REMEDIES = {
    "O": "Convert it with .astype(numpy.float64) if all elements are numbers. Pass unequal sequences as a list.",
    "M": "Subtract a start and divide by a unit, such as (times - times[0]) / numpy.timedelta64(1, 's').",
    "m": "Divide it by a unit, such as numpy.timedelta64(1, 's').",
    "U": "Text is not converted: use .astype(numpy.float64), or number the categories.",
    "S": "Text is not converted: use .astype(numpy.float64), or number the categories.",
    "T": "Text is not converted: use .astype(numpy.float64), or number the categories.",
    "c": "Pass real and imaginary parts as two features.",
}
FIELDS = "Stack the fields along one axis: numpy.lib.recfunctions.structured_to_unstructured(array)."
OTHER = "Convert it with .astype(numpy.float64), or float32, if the loss of precision is acceptable."


def name(dtype: Any, where: str | None = None) -> str:
    """Return ``'float32'`` or ``'float64'`` for any spelling of the two.

    Raises
    ------
    DtypeError
        For every other dtype.
    """
    try:
        spelled = str(np.dtype(dtype).name)
    except TypeError:
        spelled = repr(dtype)
    if spelled not in SUPPORTED:
        raise DtypeError("unsupported dtype", where=where, expected=" or ".join(SUPPORTED), received=spelled)
    return spelled


def as_array(value: Any, where: str, *, integer: bool = False) -> Array:
    """Return ``value`` (array, list, number) as a plain numpy array of a supported dtype, without a copy if possible.

    Integers and booleans are accepted and converted where they are used (see :func:`converted`); with ``integer``,
    only integers are. Every array that a user passes is converted by this function.

    Raises
    ------
    DtypeError
        For complex, half and extended precision, dates, text, objects, structured arrays and ragged lists; for masked
        arrays, sparse matrices, tensors that require a gradient and other objects that hold more than numbers: see
        :func:`graphnet.core.array_types.plain`.
    DataError
        If a list holds an integer that would be rounded.
    """
    array = array_types.plain(value, where)
    if integer and array.dtype.kind not in "iu":
        raise DtypeError("values must be integers", where=where, expected="an integer dtype", received=array.dtype.name)
    if array.dtype.kind not in "biu" and array.dtype.char not in "fd":
        raise DtypeError(
            "unsupported dtype",
            where=where,
            expected="float32, float64 or integers",
            received=_received(array),
            remedy=FIELDS if array.dtype.names else REMEDIES.get(array.dtype.kind, OTHER),
        )
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _received(array: Array) -> str:
    """The dtype, and the first element of an object array that is not a number."""
    if array.dtype.kind != "O":
        return str(array.dtype.name)
    for place, item in np.ndenumerate(array):
        if isinstance(item, bool) or not isinstance(item, (int, float, np.number)):
            return f"object: {repr(item)[:60]}{f' at {place}' if place else ''}"
    return "object"


def converted(array: Array, dtype: Any, where: str) -> Array:
    """Return ``array`` in a floating dtype, without a copy if it has that dtype; fractions may be rounded.

    Raises
    ------
    DataError
        If an integer cannot be represented exactly, or a finite number becomes infinite.
    """
    target = np.dtype(dtype)
    if array.dtype == target:
        return array
    if array.dtype.kind != "f":
        array_types.exact(array, target, where)
        return array.astype(target)
    try:
        with np.errstate(over="raise"):
            return array.astype(target)
    except FloatingPointError:
        raise _overflow(array, target, where) from None


def check_convertible(array: Array, dtype: Any, where: str) -> None:
    """Raise what :func:`converted` would raise, without a large copy: rows are converted in blocks."""
    target = np.dtype(dtype)
    if array.dtype.kind in "iu":
        array_types.exact(array, target, where)
    if array.dtype.kind != "f" or array.dtype.itemsize <= target.itemsize or not array.size:
        return
    rows = max(1, BLOCK * len(array) // array.size)
    try:
        with np.errstate(over="raise"):
            for start in range(0, len(array), rows):
                array[start : start + rows].astype(target)
    except FloatingPointError:
        raise _overflow(array, target, where) from None


def _overflow(array: Array, target: np.dtype[Any], where: str) -> DataError:
    with np.errstate(over="ignore"):
        wrong = np.isinf(array.astype(target)) & np.isfinite(array)
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return DataError(
        f"a number is too large for {target.name}",
        where=f"{where}, at {place}",
        expected=f"at most {np.finfo(target).max:.7g} in magnitude",
        received=array[place],
        remedy="Scale the numbers, or compute in float64: dtype='float64' in TrainingConfig and in the layers.",
    )
