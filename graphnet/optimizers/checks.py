"""Checks of single numbers and of arrays that arrive from outside, each with an error that says what to do."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.errors import ConfigError, DtypeError, RuleError, ShapeError


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
    """``value`` as a Python float, if it is one finite number of the interval from ``low`` to ``high``.

    Parameters
    ----------
    where, name : str
        The class and the argument that the error names.
    low, high : float
        The ends of the interval; both belong to it, unless ``above`` (for low) or ``below`` (for high) says otherwise.

    Raises
    ------
    ConfigError
        Text, a boolean, an array of numbers, NaN, infinity, a number outside the interval.

    Examples
    --------
    >>> number("Sgd", "learning_rate", 1, 0.0)
    1.0
    """
    found = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if isinstance(found, Real) and not isinstance(found, (bool, np.bool_)):
        result = float(found)
        enough = result > low if above else result >= low
        if math.isfinite(result) and enough and (result < high if below else result <= high):
            return result
    bounds = f"{'(' if above or math.isinf(low) else '['}{low:g}, {high:g}{')' if below or math.isinf(high) else ']'}"
    raise ConfigError(
        f"{name} is not a number that can be used",
        where=where,
        expected=f"a finite number in {bounds}",
        received=repr(value),
        remedy=f"Give {name} as a Python float in that interval.",
    )


def as_array(where: str, name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """``value`` as an array, not copied where it is one.

    Raises
    ------
    ShapeError
        Nested lists whose lengths differ.
    DtypeError
        A kind of array that holds more than its numbers, such as a masked array.
    """
    return plain(value, f"{where}, {name}")


def float_array(where: str, name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """``value`` as an array of floats: a float array as it is (same dtype, not copied), integers as float64.

    Raises
    ------
    DtypeError
        Anything else: booleans, complex numbers, text, objects.
    """
    array = as_array(where, name, value)
    if array.dtype.kind == "f":
        return array
    if array.dtype.kind in "iu":
        return array.astype(np.float64)
    raise DtypeError(
        f"{name} cannot be computed with",
        where=where,
        expected="floats or integers",
        received=f"dtype {array.dtype}",
        remedy=f"Convert {name} with numpy's astype(float) first.",
    )


def working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The float dtype to compute in: ``dtype`` itself, but float32 for float16, whose squares soon overflow."""
    return np.result_type(dtype, np.float32)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view of ``array`` that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


def fitting_gradient(where: str, gradient_tensor: npt.ArrayLike, weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The gradient, read-only, in the weights' dtype and shape; one number stands for every weight.

    Raises
    ------
    ShapeError
        Any other shape.
    """
    gradient = float_array(where, "gradient_tensor", gradient_tensor)
    if gradient.shape not in ((), weights.shape):
        raise ShapeError(
            "the gradient does not have the weights' shape",
            where=where,
            expected=weights.shape,
            received=gradient.shape,
            remedy="Pass the gradient of the loss with respect to these very weights.",
        )
    gradient = gradient.astype(weights.dtype, copy=False)
    return read_only(gradient if gradient.shape == weights.shape else np.broadcast_to(gradient, weights.shape))


def rule_result(
    owner: object, rule: str, value: Any, weights: npt.NDArray[Any], *shapes: tuple[int, ...]
) -> npt.NDArray[Any]:
    """What a rule of ``owner`` returned, if it is numbers of the weights' shape or of one of ``shapes``.

    Raises
    ------
    RuleError
        Anything else.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind in "fiu" and array.shape in (weights.shape, *shapes):
        return array
    raise RuleError(
        f"{rule} returned something that cannot be weights",
        where=repr(owner),
        expected=f"floats of shape {weights.shape}",
        received=f"{type(value).__name__} of dtype {array.dtype}, shape {array.shape}",
        remedy=f"Let {rule} return an array of the weights' shape.",
    )
