"""Checks of the state of an optimizer: a saved one must be complete, and the present one must fit the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.errors import DtypeError, ShapeError, StateError
from graphnet.core.finite import first_not_finite, new_weights_not_finite, not_finite_update

Array = npt.NDArray[Any]


def checked_state(where: str, names: tuple[str, ...], state: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Copies of the arrays in ``state``, which must have exactly these ``names``, or be empty.

    Raises
    ------
    StateError
        If the names differ, ``step_count`` is not a positive integer, or a number is not finite.
    ShapeError
        If two arrays differ in shape.
    DtypeError
        If an array does not hold floats.
    """
    if state and set(state) != set(names):
        raise StateError(
            "the saved state belongs to another kind of optimizer",
            where=where,
            expected=sorted(names) or "nothing",
            received=sorted(state),
            remedy="Load it into an optimizer of the class that saved it.",
        )
    arrays = {name: np.array(plain(value, f"{where}, {name}")) for name, value in state.items()}
    _check_count(where, arrays)
    _check_moments(where, {name: array for name, array in arrays.items() if name != "step_count"})
    check_finite(where, arrays)
    return arrays


def check_finite(where: str, state: Mapping[str, Array], gradient: Array | None = None) -> None:
    """Raise a StateError if a state holds NaN or infinity, with which later steps would not change the weights.

    Parameters
    ----------
    where : str
        The optimizer, and its weights if they are known.
    state : mapping of name to array
    gradient : array, optional
        The gradient of the step that computed this state; the message has its largest number.

    Raises
    ------
    NonFiniteError
        A StateError; it has the position of the first such number.
    """
    for name, array in state.items():
        if array.dtype.kind == "f" and not all_finite(array):
            element = first_not_finite(array)
            received = "NaN" if np.isnan(array).any() else "infinity"
            if array.ndim:
                received += f" at {list(element)}"
            if gradient is not None and gradient.size:
                received += f", gradients up to {_largest(gradient):.3g}"
            raise not_finite_update(
                element,
                f"the {name.replace('_', ' ')} is not finite",
                where=where,
                expected=f"finite numbers of {array.dtype}",
                received=received,
                remedy="Look for an outlier in the data, clip the gradients (clip_norm), "
                "or set dtype='float64' in layers.",
            )


def check_weights(where: str, weights: Array) -> None:
    """Raise an error if new weights hold NaN or infinity; it has the position of the first.

    Raises
    ------
    NonFiniteError
    """
    if not all_finite(weights):
        raise new_weights_not_finite(weights, where)


def all_finite(array: Array) -> bool:
    """Whether an array of floats holds no NaN and no infinity."""
    flat = array.reshape(-1)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        # One pass without a temporary array, unless a square overflows.
        return bool(np.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all())


def _largest(gradient: Array) -> float:
    return float(np.max(np.abs(gradient)))


def check_fit(where: str, state: Mapping[str, Array], weights: Array) -> None:
    """Raise a ShapeError if the weights do not have the shape of the moments of earlier steps.

    Raises
    ------
    ShapeError
        With both shapes: the instance has updated another weight array.
    """
    for name, array in state.items():
        if name != "step_count" and array.shape != weights.shape:
            raise ShapeError(
                f"the {name.replace('_', ' ')} of earlier steps does not have the shape of these weights",
                where=where,
                expected=array.shape,
                received=weights.shape,
                remedy="One optimizer instance updates one weight array; give each its own copy: optimizer.fresh().",
            )


def _check_count(where: str, arrays: Mapping[str, Array]) -> None:
    count = arrays.get("step_count")
    if count is not None and (count.shape != () or count.dtype.kind not in "iu" or count < 1):
        raise StateError(
            "the saved step_count is invalid",
            where=where,
            expected="a positive integer",
            received=repr(count),
            remedy="Save the state with the optimizer's state().",
        )


def _check_moments(where: str, arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise DtypeError(f"the saved {name} does not hold floats", where=where, expected="floats",
                             received=array.dtype, remedy="Save the state with the optimizer's state().")  # fmt: skip
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ShapeError("the saved arrays differ in shape", where=where, expected="one shape", received=shapes,
                         remedy="Load the state of a single weight array.")  # fmt: skip
