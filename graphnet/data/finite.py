"""Arrays of finite real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet.core.errors import DataError, DtypeError, ShapeError


def numbers(array: NDArray[Any], where: str) -> NDArray[Any]:
    """``array``, if it holds finite real numbers and has at least one axis.

    Raises
    ------
    DtypeError, ShapeError, DataError
        If it does not hold real numbers, is a single number, or a value is NaN or infinite.
    """
    if array.dtype.kind not in "fiub":
        raise DtypeError(
            "the array does not hold real numbers",
            where=where,
            expected="floats, integers or booleans",
            received=array.dtype,
        )
    if array.ndim == 0:
        raise ShapeError(
            "the array has no axis", where=where, expected="examples on axis 0", received="a single number"
        )
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(position) for position in np.unravel_index(int(finite.argmin()), array.shape))
        raise DataError(
            "a value is not a finite number",
            where=where,
            expected="no NaN and no infinity",
            received=f"{array[index]} at {index}",
        )
    return array
