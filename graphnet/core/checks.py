"""Checks of single numbers and of arrays of floats that a user passes."""

from __future__ import annotations

import math
import os
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.errors import ConfigError, DtypeError


def path(where: str, value: Any) -> Path:
    """Return a path given as text or as a path.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if isinstance(value, (str, os.PathLike)) and isinstance(text := os.fspath(value), str):
        if text and "\0" not in text:
            return Path(value)
        problem = "a path has no null character" if text else "an empty path"
        raise ConfigError(problem, where=where, expected="text or a path", received=repr(value))
    raise ConfigError("not a path", where=where, expected="text or a path", received=repr(value))


def flag(where: str, name: str, value: Any) -> bool:
    """Return True or False.

    Raises
    ------
    ConfigError
        For anything else, such as text or a number.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ConfigError(f"{name} must be True or False", where=where, received=repr(value)[:100], key_path=(name,))


def number(
    where: str,
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """``value`` as a Python float, if it is a finite number in the interval from ``low`` to ``high``.

    Parameters
    ----------
    where, name : str
        The class and the argument that the error names.
    low, high : float
        The bounds of the interval, which belong to it unless ``above`` (for low) or ``below`` (for high) is True.

    Raises
    ------
    ConfigError
        For text, a boolean, an array with axes, NaN, infinity or a number outside the interval.

    Examples
    --------
    >>> number("Sgd", "learning_rate", 1, 0.0)
    1.0
    """
    if type(value) is float and low < value < high and math.isfinite(value):
        return value
    scalar = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if isinstance(scalar, Real) and not isinstance(scalar, (bool, np.bool_)):
        result = _float(scalar)
        enough = result > low if above else result >= low
        if math.isfinite(result) and enough and (result < high if below else result <= high):
            return result
    bounds = f"{'(' if above or math.isinf(low) else '['}{low:g}, {high:g}{')' if below or math.isinf(high) else ']'}"
    raise ConfigError(
        f"{name} is out of range",
        where=where,
        expected=f"a finite number in {bounds}",
        received=repr(value),
        remedy=f"Give {name} as a Python float in that interval.",
        key_path=(name,),
    )


def _float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value >= 0.0 else -math.inf  # type: ignore[operator]


def is_integer(value: object, low: int | None = None) -> bool:
    """Whether this is an integer (a boolean is not one), and at least ``low``.

    Examples
    --------
    >>> is_integer(3), is_integer(True), is_integer(3.0), is_integer(0, 1)
    (True, False, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool) and (low is None or int(value) >= low)


def is_python_int(value: object, low: int | None = None) -> bool:
    """Whether this is an ``int`` (a boolean is not one), and at least ``low``; what the fields of layers hold.

    An integer of numpy is not one: multiplied by a float32 array, it would make the result float64.

    Examples
    --------
    >>> is_python_int(3), is_python_int(np.int64(3))
    (True, False)
    """
    return isinstance(value, int) and is_integer(value, low)


@overload
def integer(where: str | None, name: str, value: object, low: int, *, optional: Literal[False] = False) -> int: ...
@overload
def integer(where: str | None, name: str, value: object, low: int, *, optional: bool) -> int | None: ...
def integer(where: str | None, name: str, value: object, low: int, *, optional: bool = False) -> int | None:
    """``value`` as a Python int, if it is an integer of at least ``low``; None stays None where it is ``optional``.

    Raises
    ------
    ConfigError
        For anything else: a boolean, a float, text, a smaller integer.

    Examples
    --------
    >>> integer("predict", "batch_size", 0, 1)
    Traceback (most recent call last):
    graphnet.core.errors.ConfigError: predict: batch_size must be a positive integer; received 0
    """
    if value is None and optional:
        return None
    if is_integer(value, low):
        return int(value)  # type: ignore[call-overload, no-any-return]
    kind = {0: "a non-negative integer", 1: "a positive integer"}.get(low, f"an integer of at least {low}")
    problem = f"{name} must be {kind}{' or None' if optional else ''}"
    raise ConfigError(problem, where=where, received=repr(value), key_path=(name,))


def float_array(where: str, name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """``value`` as an array of floats: a float array unchanged and not copied, integers as float64.

    Raises
    ------
    DtypeError
        For booleans, complex numbers, text or objects.
    """
    array = plain(value, f"{where}, {name}")
    if array.dtype.kind == "f":
        return array
    if array.dtype.kind in "iu":
        return array.astype(np.float64)
    raise DtypeError(
        f"{name} must hold numbers",
        where=where,
        expected="floats or integers",
        received=f"dtype {array.dtype}",
        remedy=f"Convert {name} with numpy's astype(float) first.",
    )


def working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The float dtype for computation: float32 for float16, whose squares overflow easily; else ``dtype`` itself."""
    return np.result_type(dtype, np.float32)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view of ``array`` that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view
