"""Arrays of numbers as fields of layers: checked, and stored as nested tuples."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.array_types import Array, plain
from graphnet.core.errors import ConfigError, DataError, DtypeError

#: The largest number of elements; a model file holds each of them as text.
LARGEST = 65_536
#: Elements that ``repr`` shows.
SHOWN = 8


def checked_array(value: Any, layer: str, field: str, shapes: tuple[tuple[int, ...], ...] = ()) -> Array:
    """A field as a float64 array that is not writable.

    Raises
    ------
    ConfigError
        If it does not hold finite numbers, too many, or has none of ``shapes`` (empty: any shape).
    """
    where = f"{layer}, {field}"
    try:
        array = plain(value, where)
    except (DtypeError, DataError) as error:
        raise ConfigError("not an array of numbers", where=where, expected="finite numbers of one shape",
                          received=repr(value)[:80], key_path=(field,)) from error  # fmt: skip
    numbers = array.dtype.kind in "iuf" and bool(np.isfinite(array).all())
    if not numbers or not 1 <= array.size <= LARGEST or (shapes and array.shape not in shapes):
        of_shape = f" of shape {' or '.join(str(shape or 'one number') for shape in shapes)}" if shapes else ""
        raise ConfigError(
            "not an array that a layer can keep",
            where=where,
            expected=f"1 to {LARGEST:,} finite numbers{of_shape}",
            received=f"{array.dtype} of shape {array.shape}",
            remedy="A larger array can be an input of the graph.",
            key_path=(field,),
        )
    result = np.array(array, np.float64)
    result.flags.writeable = False
    return result


def nested(array: Array) -> Any:
    """An array as nested tuples of floats, the form of fields and files."""
    return _tuples(array.tolist())


def _tuples(value: Any) -> Any:
    return tuple([_tuples(item) for item in value]) if isinstance(value, list) else float(value)


def described(array: Array) -> str:
    """An array in a ``repr``: all numbers of a small one."""
    return repr(nested(array)) if array.size <= SHOWN else f"<{array.size} numbers of shape {array.shape}>"
